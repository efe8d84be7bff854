//! Expressions.

use super::memory::{Pointer, Step, Value};
use super::types::scalar_kind;
use super::{Frame, Lowerer, Scalars, WIDTH_LIMIT};
use crate::graph::NodeId;
use crate::physics::error::Fault;
use naga::{Expression, Handle, Literal, RelationalFunction, ScalarKind, TypeInner};
use std::rc::Rc;

impl<'a> Lowerer<'a> {
    /// Evaluates an expression where naga says so and keeps its value.
    pub fn emit(&mut self, frame: &mut Frame<'a>, handle: Handle<Expression>) -> Result<(), Fault> {
        let span = frame.function.expressions.get_span(handle);
        if span.is_defined() {
            self.span = span;
        }
        self.charge(1)?;
        let value = self.evaluate(frame, handle)?;
        if let Value::Data(scalars) = &value {
            self.charge(scalars.len() / 16)?;
        }
        frame.values[handle.index()] = Some(value);
        Ok(())
    }

    /// The value of an expression: kept, or computed here if it is one that naga never emits.
    pub fn value(&mut self, frame: &Frame<'a>, handle: Handle<Expression>) -> Result<Value, Fault> {
        if let Some(value) = &frame.values[handle.index()] {
            return Ok(value.clone());
        }
        match &frame.function.expressions[handle] {
            Expression::Load { .. } | Expression::CallResult(_) | Expression::Access { .. } => {
                Err(self.fault("this value is used before it is computed"))
            }
            _ => self.evaluate(frame, handle),
        }
    }

    /// The scalars of an expression that is not a pointer.
    pub fn scalars(&mut self, frame: &Frame<'a>, handle: Handle<Expression>) -> Result<Scalars, Fault> {
        match self.value(frame, handle)? {
            Value::Data(scalars) => Ok(scalars),
            Value::Pointer(_) => Err(self.unsupported("a pointer in this place is", "load its value with `*`")),
        }
    }

    /// The only scalar of an expression.
    pub fn scalar(&mut self, frame: &Frame<'a>, handle: Handle<Expression>) -> Result<NodeId, Fault> {
        let scalars = self.scalars(frame, handle)?;
        scalars.first().copied().ok_or_else(|| self.fault("a scalar is expected here"))
    }

    fn evaluate(&mut self, frame: &Frame<'a>, handle: Handle<Expression>) -> Result<Value, Fault> {
        let data = |scalars: Vec<NodeId>| Ok(Value::Data(scalars.into()));
        match &frame.function.expressions[handle] {
            Expression::Literal(literal) => data(vec![self.literal(*literal)?]),
            Expression::Constant(constant) => Ok(Value::Data(self.constant(*constant)?)),
            Expression::ZeroValue(ty) => Ok(Value::Data(self.zeros(&self.source.module.types[*ty].inner)?)),
            Expression::Compose { ty, components } => {
                self.check_width(self.layouts.width(*ty))?;
                let mut parts = Vec::new();
                for &component in components {
                    parts.extend_from_slice(&self.scalars(frame, component)?);
                }
                data(parts)
            }
            Expression::Splat { size, value } => data(vec![self.scalar(frame, *value)?; *size as usize]),
            Expression::Swizzle { size, vector, pattern } => {
                let vector = self.scalars(frame, *vector)?;
                let picked: Option<Vec<NodeId>> =
                    pattern[..*size as usize].iter().map(|c| vector.get(*c as usize).copied()).collect();
                data(picked.ok_or_else(|| self.fault("this swizzle names a missing component"))?)
            }
            Expression::Access { base, index } => {
                let index = self.scalar(frame, *index)?;
                self.access(frame, *base, Err(index))
            }
            Expression::AccessIndex { base, index } => self.access(frame, *base, Ok(*index as usize)),
            Expression::FunctionArgument(position) => match frame.arguments.get(*position as usize) {
                Some(value) => Ok(value.clone()),
                None => Err(self.fault("this argument is missing")),
            },
            Expression::LocalVariable(local) => {
                let variable = frame.base + local.index();
                let width = self.memory.get(variable).map_or(0, |cells| cells.len());
                Ok(Value::Pointer(Pointer { variable, offset: 0, width, steps: Vec::new() }))
            }
            Expression::Load { pointer } => match self.value(frame, *pointer)? {
                Value::Pointer(pointer) => Ok(Value::Data(self.load(&pointer))),
                Value::Data(_) => Err(self.unsupported("a load from this place is", "use local variables")),
            },
            Expression::Unary { op, expr } => {
                let kind = scalar_kind(self.inner(frame, *expr));
                let value = self.scalars(frame, *expr)?;
                self.unary_operator(*op, kind, &value).map(|v| Value::Data(v.into()))
            }
            Expression::Binary { op, left, right } => {
                let (left_type, right_type) = (self.inner(frame, *left), self.inner(frame, *right));
                let (left, right) = (self.scalars(frame, *left)?, self.scalars(frame, *right)?);
                self.binary_operator(*op, (left_type, &left), (right_type, &right)).map(|v| Value::Data(v.into()))
            }
            Expression::Select { condition, accept, reject } => {
                let conditions = self.scalars(frame, *condition)?;
                let boolean = scalar_kind(self.inner(frame, *accept)) == Some(ScalarKind::Bool);
                let (accept, reject) = (self.scalars(frame, *accept)?, self.scalars(frame, *reject)?);
                let Some(&first) = conditions.first() else { return Err(self.fault("this select has no condition")) };
                let mut picked = Vec::with_capacity(accept.len());
                for (i, (&a, &b)) in accept.iter().zip(reject.iter()).enumerate() {
                    let condition = conditions.get(i).copied().unwrap_or(first);
                    picked.push(self.pick(condition, a, b, boolean));
                }
                data(picked)
            }
            Expression::Relational { fun, argument } => {
                let argument = self.scalars(frame, *argument)?;
                let mut result = self.graph.boolean(*fun == RelationalFunction::All);
                for &a in argument.iter() {
                    result = match fun {
                        RelationalFunction::All => self.and(result, a),
                        RelationalFunction::Any => self.or(result, a),
                        _ => return Err(self.unsupported("this test is", "compare with finite bounds instead")),
                    };
                }
                data(vec![result])
            }
            Expression::Math { fun, arg, arg1, arg2, .. } => {
                let inner = self.inner(frame, *arg);
                let mut arguments = vec![self.scalars(frame, *arg)?];
                for further in [arg1, arg2].into_iter().flatten() {
                    arguments.push(self.scalars(frame, *further)?);
                }
                self.builtin(*fun, inner, &arguments).map(|v| Value::Data(v.into()))
            }
            Expression::As { expr, kind, convert } => {
                let from = scalar_kind(self.inner(frame, *expr));
                let value = self.scalars(frame, *expr)?;
                self.convert(from, *kind, *convert, &value).map(|v| Value::Data(v.into()))
            }
            Expression::GlobalVariable(_) => {
                Err(self.unsupported("a module-scope variable is", "use `const`, or a member of Theta, Input or State"))
            }
            Expression::Override(_) => Err(self.unsupported("an override is", "use `const`")),
            Expression::Derivative { .. } => {
                Err(self.unsupported("a screen derivative is", "differences of neighbouring cells are members of Near"))
            }
            Expression::ArrayLength(_) => {
                Err(self.unsupported("an array of run-time size is", "use a fixed size and a `const` for it"))
            }
            Expression::ImageSample { .. } | Expression::ImageLoad { .. } | Expression::ImageQuery { .. } => {
                Err(self.unsupported("a texture is", "use a `const` array as a table"))
            }
            _ => Err(self.unsupported("this expression is", "use plain WGSL arithmetic")),
        }
    }

    /// A part of a value or pointer, by a position in the text (`Ok`) or an index expression (`Err`).
    fn access(
        &mut self,
        frame: &Frame<'a>,
        base: Handle<Expression>,
        position: Result<usize, NodeId>,
    ) -> Result<Value, Fault> {
        let module = &self.source.module;
        let vector;
        let inner = match self.inner(frame, base) {
            TypeInner::Pointer { base, .. } => &module.types[*base].inner,
            TypeInner::ValuePointer { size: Some(size), scalar, .. } => {
                vector = TypeInner::Vector { size: *size, scalar: *scalar };
                &vector
            }
            inner => inner,
        };
        let known = match position {
            Ok(position) => Some(position),
            Err(index) => {
                let count = self.layouts.parts(inner).map_or(0, |p| p.0);
                self.known_index(index, count)?
            }
        };
        let value = self.value(frame, base)?;
        if let Some(position) = known {
            let part = self.layouts.part(inner, position);
            let (start, width) = part.ok_or_else(|| self.fault(format!("there is no part {position} here")))?;
            return Ok(match value {
                Value::Data(scalars) => Value::Data(Rc::from(&scalars[start..start + width])),
                Value::Pointer(pointer) => Value::Pointer(Pointer { offset: pointer.offset + start, width, ..pointer }),
            });
        }
        let (Err(index), Some((count, stride))) = (position, self.layouts.parts(inner)) else {
            return Err(self.unsupported("an index into this value is", "use a fixed-size array"));
        };
        let step = Step { index, count, stride };
        Ok(match value {
            Value::Data(scalars) => {
                let flags = self.layouts.flags(module, inner);
                Value::Data(self.gather(&scalars, flags.as_deref(), 0, stride, &[step]).into())
            }
            Value::Pointer(mut pointer) => {
                pointer.steps.push(step);
                pointer.width = stride;
                Value::Pointer(pointer)
            }
        })
    }

    /// Refuses values that are too large.
    pub fn check_width(&self, width: usize) -> Result<(), Fault> {
        match width > WIDTH_LIMIT {
            true => Err(self
                .fault(format!("this value is too large: more than {WIDTH_LIMIT} scalars"))
                .help("use smaller arrays; cells of a grid are declared by [grid]")),
            false => Ok(()),
        }
    }

    /// The zero value of a type.
    pub fn zeros(&mut self, inner: &TypeInner) -> Result<Scalars, Fault> {
        let width = self.layouts.width_of(inner);
        self.check_width(width)?;
        self.charge(width / 16)?;
        let zero = self.graph.constant(0.0);
        Ok(vec![zero; width].into())
    }

    /// A literal means its f32 value.
    fn literal(&mut self, literal: Literal) -> Result<NodeId, Fault> {
        Ok(match literal {
            Literal::F32(v) => self.graph.constant(f64::from(v)),
            Literal::AbstractFloat(v) => self.graph.constant(f64::from(v as f32)),
            Literal::I32(v) => self.graph.constant(f64::from(v)),
            Literal::U32(v) => self.graph.constant(f64::from(v)),
            Literal::AbstractInt(v) => self.graph.constant(v as f64),
            Literal::Bool(v) => self.graph.boolean(v),
            _ => return Err(self.unsupported("a number of this type is", "use f32, i32 or u32")),
        })
    }

    /// A module-scope constant.
    fn constant(&mut self, handle: Handle<naga::Constant>) -> Result<Scalars, Fault> {
        if let Some(scalars) = self.constants.get(&handle) {
            return Ok(Rc::clone(scalars));
        }
        let mut scalars = Vec::new();
        self.global(self.source.module.constants[handle].init, &mut scalars)?;
        let scalars: Scalars = scalars.into();
        self.constants.insert(handle, Rc::clone(&scalars));
        Ok(scalars)
    }

    /// Appends the scalars of a module-scope expression, which naga has already reduced to literals and their groups.
    fn global(&mut self, handle: Handle<Expression>, scalars: &mut Vec<NodeId>) -> Result<(), Fault> {
        let module = &self.source.module;
        match &module.global_expressions[handle] {
            Expression::Literal(literal) => scalars.push(self.literal(*literal)?),
            Expression::Constant(constant) => scalars.extend_from_slice(&self.constant(*constant)?),
            Expression::ZeroValue(ty) => scalars.extend_from_slice(&self.zeros(&module.types[*ty].inner)?),
            Expression::Compose { ty, components } => {
                self.check_width(self.layouts.width(*ty))?;
                for &component in components {
                    self.global(component, scalars)?;
                }
            }
            Expression::Splat { size, value } => {
                for _ in 0..*size as usize {
                    self.global(*value, scalars)?;
                }
            }
            _ => return Err(self.unsupported("this constant is", "write its value as literals")),
        }
        Ok(())
    }
}
