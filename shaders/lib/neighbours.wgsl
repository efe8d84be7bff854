// Neighbours on a grid, for stencils and convolutions and for their transposes: sums over the cells that a cell takes
// from, so that every number is written once.

const REPLICATE = 0u;
const PERIODIC = 1u;

// Places along one axis from which place i takes at an offset; -1 for none. A transposed operator takes from all places
// that see i: under replicate those are the rim's own cell too.
fn sources(i: i32, offset: i32, size: i32, boundary: u32, transposed: bool) -> vec2<i32> {
    var moved = select(i + offset, i - offset, transposed);
    if (moved < 0 || moved >= size) {
        if (boundary == PERIODIC) {
            moved = select(moved - size, moved + size, moved < 0);
        } else if (boundary == REPLICATE && !transposed) {
            moved = clamp(moved, 0, size - 1);
        } else {
            moved = -1;
        }
    }
    let ahead = i + offset;
    let rim = transposed && boundary == REPLICATE && (ahead < 0 || ahead >= size);
    return vec2<i32>(moved, select(-1, i, rim));
}

// What a cell at (row, column) takes at an offset from the channel whose first cell stands at `plane`.
fn taken(plane: u32, cell: vec2<i32>, offset: vec2<i32>, boundary: u32, transposed: bool) -> f32 {
    let columns = i32(params.columns);
    let size = vec2<i32>(i32(params.cells) / columns, columns);
    let rows = sources(cell.x, offset.x, size.x, boundary, transposed);
    let along = sources(cell.y, offset.y, size.y, boundary, transposed);
    var sum = 0.0;
    if (rows.x >= 0) {
        let first = plane + u32(rows.x * columns);
        if (along.x >= 0) {
            sum = arena[first + u32(along.x)];
        }
        if (along.y >= 0) {
            sum = sum + arena[first + u32(along.y)];
        }
    }
    if (rows.y >= 0) {
        let first = plane + u32(rows.y * columns);
        if (along.x >= 0) {
            sum = sum + arena[first + u32(along.x)];
        }
        if (along.y >= 0) {
            sum = sum + arena[first + u32(along.y)];
        }
    }
    return sum;
}

// The place in a channel from which a lane takes at an offset, NONE for none, or MANY | lane where several are summed.
// Lanes from `end` on take nothing.
const NONE = 0xffffffffu;
const MANY = 0x80000000u;

fn place(lane: u32, end: u32, cells: u32, offset: vec2<i32>, boundary: u32, transposed: bool) -> u32 {
    if (lane >= end) {
        return NONE;
    }
    if (all(offset == vec2<i32>(0, 0))) {
        return lane;
    }
    let cell = lane % cells;
    let columns = i32(params.columns);
    let rows = sources(i32(cell) / columns, offset.x, i32(cells) / columns, boundary, transposed);
    let along = sources(i32(cell) % columns, offset.y, columns, boundary, transposed);
    if (rows.y >= 0 || along.y >= 0) {
        return MANY | lane;
    }
    if (rows.x < 0 || along.x < 0) {
        return NONE;
    }
    return lane - cell + u32(rows.x * columns + along.x);
}

// Offset of a weight of a convolution: of three per axis, or of a single one.
fn tap_offset(tap: u32, taps: u32) -> vec2<i32> {
    if (taps == 1u) {
        return vec2<i32>(0, 0);
    }
    return vec2<i32>(select(0, i32(tap / 3u) - 1, taps == 9u), i32(tap % 3u) - 1);
}
