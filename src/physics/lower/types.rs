//! Widths of types in scalars, and where their parts stand.

use naga::{ArraySize, Handle, ScalarKind, Type, TypeInner};
use std::rc::Rc;

/// Sizes of all types of a module, by index.
pub(super) struct Layouts {
    widths: Vec<usize>,
    has_booleans: Vec<bool>,
}

impl Layouts {
    /// Computes them in one pass: types refer to earlier types only.
    pub fn new(module: &naga::Module) -> Self {
        let mut layouts = Layouts { widths: Vec::new(), has_booleans: Vec::new() };
        for (_, ty) in module.types.iter() {
            let width = layouts.width_of(&ty.inner);
            let booleans = layouts.contains_booleans(&ty.inner);
            layouts.widths.push(width);
            layouts.has_booleans.push(booleans);
        }
        layouts
    }

    /// Number of scalars of a type.
    pub fn width(&self, ty: Handle<Type>) -> usize {
        self.widths.get(ty.index()).copied().unwrap_or(0)
    }

    /// Number of scalars; 0 for what holds none.
    pub fn width_of(&self, inner: &TypeInner) -> usize {
        match inner {
            TypeInner::Scalar(_) => 1,
            TypeInner::Vector { size, .. } => *size as usize,
            TypeInner::Matrix { columns, rows, .. } => *columns as usize * *rows as usize,
            TypeInner::Array { base, size: ArraySize::Constant(n), .. } => {
                self.width(*base).saturating_mul(n.get() as usize)
            }
            TypeInner::Struct { members, .. } => {
                members.iter().fold(0usize, |sum, m| sum.saturating_add(self.width(m.ty)))
            }
            _ => 0,
        }
    }

    fn contains_booleans(&self, inner: &TypeInner) -> bool {
        let by_type = |ty: &Handle<Type>| self.has_booleans.get(ty.index()).copied().unwrap_or(false);
        match inner {
            TypeInner::Scalar(s) | TypeInner::Vector { scalar: s, .. } => s.kind == ScalarKind::Bool,
            TypeInner::Array { base, .. } => by_type(base),
            TypeInner::Struct { members, .. } => members.iter().any(|m| by_type(&m.ty)),
            _ => false,
        }
    }

    /// Which scalars are booleans; `None` if none is.
    pub fn flags(&self, module: &naga::Module, inner: &TypeInner) -> Option<Rc<[bool]>> {
        if !self.contains_booleans(inner) {
            return None;
        }
        let mut flags = Vec::new();
        collect(module, inner, &mut flags);
        Some(flags.into())
    }

    /// Number and width of the equal parts that an index selects from.
    pub fn parts(&self, inner: &TypeInner) -> Option<(usize, usize)> {
        match inner {
            TypeInner::Vector { size, .. } => Some((*size as usize, 1)),
            TypeInner::Matrix { columns, rows, .. } => Some((*columns as usize, *rows as usize)),
            TypeInner::Array { base, size: ArraySize::Constant(n), .. } => Some((n.get() as usize, self.width(*base))),
            _ => None,
        }
    }

    /// Offset and width of a part by position, members of structs included.
    pub fn part(&self, inner: &TypeInner, position: usize) -> Option<(usize, usize)> {
        if let TypeInner::Struct { members, .. } = inner {
            let before = members.get(..position)?.iter().map(|m| self.width(m.ty)).sum();
            return Some((before, self.width(members.get(position)?.ty)));
        }
        let (count, width) = self.parts(inner)?;
        (position < count).then_some((position * width, width))
    }
}

fn collect(module: &naga::Module, inner: &TypeInner, flags: &mut Vec<bool>) {
    match inner {
        TypeInner::Scalar(s) => flags.push(s.kind == ScalarKind::Bool),
        TypeInner::Vector { size, scalar } => {
            flags.extend(std::iter::repeat_n(scalar.kind == ScalarKind::Bool, *size as usize));
        }
        TypeInner::Matrix { columns, rows, .. } => {
            flags.extend(std::iter::repeat_n(false, *columns as usize * *rows as usize));
        }
        TypeInner::Array { base, size: ArraySize::Constant(n), .. } => {
            for _ in 0..n.get().min(super::WIDTH_LIMIT as u32) {
                collect(module, &module.types[*base].inner, flags);
            }
        }
        TypeInner::Struct { members, .. } => {
            for member in members {
                collect(module, &module.types[member.ty].inner, flags);
            }
        }
        _ => {}
    }
}

/// The scalar kind of a scalar, vector or matrix, or of what a pointer to one points at.
pub(super) fn scalar_kind(inner: &TypeInner) -> Option<ScalarKind> {
    match inner {
        TypeInner::Scalar(s) | TypeInner::Vector { scalar: s, .. } | TypeInner::Matrix { scalar: s, .. } => {
            Some(s.kind)
        }
        _ => None,
    }
}
