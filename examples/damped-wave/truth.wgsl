// The truth is damped, and its Laplacian is of fourth order: (-1, 16, -30, 16, -1) / 12 along each axis.
struct State { w: f32, v: f32 }
struct Theta { c: f32 }
struct Fields { rows: f32, columns: f32 } // second differences of w

const DAMPING = 0.5;

fn physics(s: State, theta: Theta) -> State {
    return State(s.v, -DAMPING * s.v);
}

fn fields(s: State, near: Near) -> Fields {
    return Fields(near.up.w + near.down.w - 2.0 * s.w, near.left.w + near.right.w - 2.0 * s.w);
}

// Second differences less a twelfth of the fourth ones.
fn rhs(f: State, here: Fields, near: NearFields, theta: Theta) -> State {
    let rows = here.rows - (near.up.rows + near.down.rows - 2.0 * here.rows) / 12.0;
    let columns = here.columns - (near.left.columns + near.right.columns - 2.0 * here.columns) / 12.0;
    return State(f.w, f.v + theta.c * theta.c * (rows + columns));
}
