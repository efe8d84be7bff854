//! Weight tables: the names and shapes of all trainable matrices and biases, and their values for every member.

/// Index of a weight in its [`WeightTable`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct WeightId(pub u32);

/// Name and shape of one weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightShape {
    /// `NET.LAYER.weight` or `NET.LAYER.bias`.
    pub name: String,
    /// Rows: the layer's outputs.
    pub rows: usize,
    /// Columns: the layer's inputs; 1 for a bias.
    pub columns: usize,
    /// True for a bias, which is stored and written as a vector.
    pub bias: bool,
    /// Shape in files, of as many values.
    pub dimensions: Vec<usize>,
    /// Offset of the first value inside one member.
    pub offset: usize,
}

impl WeightShape {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// Places of a kernel, 9 or 3; 1 for everything else.
    pub fn taps(&self) -> usize {
        self.dimensions.iter().skip(2).product()
    }

    /// True if it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// All weights of a model in one flat, member-major layout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WeightTable {
    shapes: Vec<WeightShape>,
}

impl WeightTable {
    /// Adds a matrix, or a bias of one column, behind the others.
    pub fn add(&mut self, name: String, rows: usize, columns: usize, bias: bool) -> WeightId {
        let dimensions = if bias { vec![rows] } else { vec![rows, columns] };
        self.push(WeightShape { name, rows, columns, bias, dimensions, offset: self.per_member() })
    }

    /// Adds a matrix that files store in another shape of as many values: `[out, in, 3, 3]` for a kernel.
    pub fn add_shaped(&mut self, name: String, rows: usize, dimensions: Vec<usize>) -> WeightId {
        let columns = dimensions.iter().product::<usize>() / rows.max(1);
        self.push(WeightShape { name, rows, columns, bias: false, dimensions, offset: self.per_member() })
    }

    fn push(&mut self, shape: WeightShape) -> WeightId {
        self.shapes.push(shape);
        WeightId(self.shapes.len() as u32 - 1)
    }

    /// The weights in order.
    pub fn shapes(&self) -> &[WeightShape] {
        &self.shapes
    }

    /// One weight's shape.
    pub fn shape(&self, id: WeightId) -> &WeightShape {
        &self.shapes[id.0 as usize]
    }

    /// Number of values of one member.
    pub fn per_member(&self) -> usize {
        self.shapes.last().map_or(0, |s| s.offset + s.len())
    }
}

/// Values of all weights, `[members, per_member]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Number of members of the population.
    pub members: usize,
    /// Member-major values.
    pub values: Vec<f64>,
}

impl Weights {
    /// All zeros.
    pub fn zeros(table: &WeightTable, members: usize) -> Weights {
        Weights { members, values: vec![0.0; members * table.per_member()] }
    }

    /// One member's values.
    pub fn member(&self, member: usize) -> &[f64] {
        let each = self.values.len() / self.members.max(1);
        &self.values[member * each..(member + 1) * each]
    }
}
