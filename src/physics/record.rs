//! Structs as flat lists of scalars with names.

use super::error::Fault;
use super::source::Source;
use naga::{ArraySize, Handle, Module, Scalar, Span, Type, TypeInner};

/// The most scalars that a struct may have: keeps mistaken array sizes from exhausting memory.
const WIDTH_LIMIT: usize = 65_536;

/// Longest name of a scalar: keeps structs in structs from exhausting the stack.
const PATH_LIMIT: usize = 1_024;

/// A struct of the user's text, flattened in declaration order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Names of the scalars: `angle`, `position.x`, `cells[0]`, `inner.part`, `matrix[0].x`.
    pub names: Vec<String>,
}

impl Record {
    /// Number of scalars.
    pub fn width(&self) -> usize {
        self.names.len()
    }
}

/// The struct type of a name.
pub(super) fn find(source: &Source, name: &str) -> Option<Handle<Type>> {
    source.module.types.iter().find_map(|(handle, ty)| {
        let is_struct = matches!(ty.inner, TypeInner::Struct { .. });
        (is_struct && ty.name.as_deref() == Some(name)).then_some(handle)
    })
}

/// Flattens a struct; a member that is not made of f32 is an error at its place.
pub(super) fn flatten(source: &Source, ty: Handle<Type>) -> Result<Record, Fault> {
    let mut names = Vec::new();
    let fallback = source.module.types.get_span(ty);
    visit(source, ty, "", fallback, &mut names)?;
    Ok(Record { names })
}

fn visit(source: &Source, ty: Handle<Type>, path: &str, span: Span, names: &mut Vec<String>) -> Result<(), Fault> {
    let refuse = |what: &str| {
        Err(Fault::new(span, format!("member `{path}` is {what}: members must be made of f32"))
            .help("use f32, vecN<f32>, matNxM<f32>, fixed-size arrays of these, or structs of these"))
    };
    if names.len() > WIDTH_LIMIT {
        return Err(Fault::new(span, format!("member `{path}` is too large: at most {WIDTH_LIMIT} scalars"))
            .help("make the array smaller; cells of a grid are declared by [grid], not by arrays"));
    }
    if path.len() > PATH_LIMIT {
        return Err(
            Fault::new(span, "structs nest too deeply").help("give the innermost members a struct of their own")
        );
    }
    match &source.module.types[ty].inner {
        TypeInner::Scalar(Scalar::F32) => names.push(path.to_string()),
        TypeInner::Vector { size, scalar: Scalar::F32 } => components(path, *size as usize, names),
        TypeInner::Matrix { columns, rows, scalar: Scalar::F32 } => {
            for column in 0..*columns as usize {
                components(&format!("{path}[{column}]"), *rows as usize, names);
            }
        }
        TypeInner::Array { base, size: ArraySize::Constant(count), .. } => {
            for i in 0..count.get() {
                visit(source, *base, &format!("{path}[{i}]"), span, names)?;
            }
        }
        TypeInner::Struct { members, .. } => {
            let owner = source.module.types[ty].name.as_deref().unwrap_or("");
            let declared = source.declarations.structs.get(owner);
            for member in members {
                let name = member.name.as_deref().unwrap_or("");
                let inner = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
                visit(source, member.ty, &inner, declared.map_or(span, |d| d.part(name)), names)?;
            }
        }
        other => return refuse(&describe(&source.module, other)),
    }
    Ok(())
}

fn components(path: &str, count: usize, names: &mut Vec<String>) {
    names.extend(["x", "y", "z", "w"].iter().take(count).map(|c| format!("{path}.{c}")));
}

/// A type in words for messages.
pub(super) fn describe(module: &Module, inner: &TypeInner) -> String {
    let scalar = |s: &Scalar| match (s.kind, s.width) {
        (naga::ScalarKind::Bool, _) => "bool".to_string(),
        (naga::ScalarKind::Sint, w) => format!("i{}", u32::from(w) * 8),
        (naga::ScalarKind::Uint, w) => format!("u{}", u32::from(w) * 8),
        (_, w) => format!("f{}", u32::from(w) * 8),
    };
    let named = |ty: &Handle<Type>| type_name(module, *ty);
    match inner {
        TypeInner::Scalar(s) => scalar(s),
        TypeInner::Vector { size, scalar: s } => format!("vec{}<{}>", *size as u8, scalar(s)),
        TypeInner::Matrix { columns, rows, scalar: s } => {
            format!("mat{}x{}<{}>", *columns as u8, *rows as u8, scalar(s))
        }
        TypeInner::Array { base, size: ArraySize::Constant(n), .. } => format!("array<{}, {n}>", named(base)),
        TypeInner::Array { base, .. } => format!("array<{}>", named(base)),
        TypeInner::Pointer { base, .. } => format!("a pointer to {}", named(base)),
        TypeInner::Struct { .. } => "a struct".to_string(),
        _ => "a device resource".to_string(),
    }
}

/// A type by its name, or in words if it has none.
pub(super) fn type_name(module: &Module, ty: Handle<Type>) -> String {
    let ty = &module.types[ty];
    ty.name.clone().unwrap_or_else(|| describe(module, &ty.inner))
}
