//! naga's errors in the words of this front end.

use super::error::Fault;
use super::record::{describe, type_name};
use super::scan::Declarations;
use naga::valid::{CallError, ExpressionError, FunctionError, ValidationError};
use naga::{BinaryOperator, Block, Expression, Module, Span, Statement};
use std::error::Error;

/// naga's parse error at its first label.
pub(super) fn parsing(error: &naga::front::wgsl::ParseError, text: &str, grid: bool) -> Fault {
    let mut message = error.message().trim().to_string();
    let labels: Vec<(Span, String)> = error.labels().map(|(span, label)| (span, label.to_string())).collect();
    let span = labels.iter().map(|l| l.0).find(|span| span.is_defined()).unwrap_or_default();
    if let Some((_, label)) = labels.first().filter(|(_, label)| !label.is_empty() && !message.contains(label)) {
        message = format!("{message}: {label}");
    }
    let marked = span.to_range().and_then(|r| text.get(r)).unwrap_or("");
    let mut fault = Fault::new(span, message);
    fault.remedy = remedy(marked, &fault.message, grid).or_else(|| error.notes().next().map(str::to_string));
    fault
}

/// naga's validation error, at the narrowest span it names.
pub(super) fn validation(
    error: &naga::WithSpan<ValidationError>,
    module: &Module,
    declarations: &Declarations,
    text: &str,
) -> Fault {
    let narrowest = error
        .spans()
        .filter(|(span, _)| !declarations.is_part(*span))
        .filter_map(|(span, _)| span.to_range())
        .filter(|range| range.start < text.len())
        .min_by_key(|range| range.len())
        .map(Span::from);
    let message = validation_message(error.as_inner(), module);
    let number_type = ["f64", "f16", "i64", "u64", "i16", "u16"].into_iter().find(|ty| message.contains(ty));
    let span = statement_span(error.as_inner(), module)
        .or(narrowest)
        .or_else(|| number_type.and_then(|ty| declarations.word(ty)))
        .unwrap_or_default();
    let mut fault = Fault::new(span, message);
    fault.remedy = remedy("", &fault.message, true);
    fault
}

/// The statement of an error about an argument: the use of an argument has the span of its declaration in naga, which is
/// not where the error is.
fn statement_span(error: &ValidationError, module: &Module) -> Option<Span> {
    let ValidationError::Function { handle, source, .. } = error else { return None };
    let function = &module.functions[*handle];
    let wanted = match source {
        FunctionError::InvalidIfType(condition) => *condition,
        FunctionError::InvalidCall { error: CallError::ArgumentType { seen_expression, .. }, .. } => *seen_expression,
        _ => return None,
    };
    if !matches!(function.expressions[wanted], Expression::FunctionArgument(_)) {
        return None;
    }
    find_statement(&function.body, &|statement| match statement {
        Statement::If { condition, .. } => *condition == wanted,
        Statement::Call { arguments, .. } => arguments.contains(&wanted),
        _ => false,
    })
}

/// The span of the first statement that fits.
fn find_statement(block: &Block, fits: &dyn Fn(&Statement) -> bool) -> Option<Span> {
    block.span_iter().find_map(|(statement, span)| {
        if fits(statement) {
            return Some(*span);
        }
        match statement {
            Statement::Block(inner) => find_statement(inner, fits),
            Statement::If { accept, reject, .. } => {
                find_statement(accept, fits).or_else(|| find_statement(reject, fits))
            }
            Statement::Switch { cases, .. } => cases.iter().find_map(|case| find_statement(&case.body, fits)),
            Statement::Loop { body, continuing, .. } => {
                find_statement(body, fits).or_else(|| find_statement(continuing, fits))
            }
            _ => None,
        }
    })
}

/// naga's messages name expressions and types by number: the common ones are put differently, of others the innermost
/// message is kept.
fn validation_message(error: &ValidationError, module: &Module) -> String {
    if let ValidationError::Function { source, .. } = error {
        match source {
            FunctionError::Expression {
                source: ExpressionError::InvalidBinaryOperandTypes { op, lhs_type, rhs_type, .. },
                ..
            } => {
                let (left, right) = (describe(module, lhs_type), describe(module, rhs_type));
                return format!("`{}` cannot combine {left} and {right}", symbol(*op));
            }
            FunctionError::InvalidReturnType { expected_ty: Some(ty), .. } => {
                return format!("the returned value must be of the declared type {}", type_name(module, *ty));
            }
            FunctionError::InvalidCall { function, error: CallError::ArgumentType { index, required, .. } } => {
                let name = module.functions[*function].name.as_deref().unwrap_or("");
                return format!("argument {} of `{name}` must be {}", index + 1, type_name(module, *required));
            }
            FunctionError::InvalidCall { function, error: CallError::ArgumentCount { required, seen } } => {
                let name = module.functions[*function].name.as_deref().unwrap_or("");
                return format!("`{name}` takes {required} arguments, not {seen}");
            }
            FunctionError::InvalidIfType(_) => return "the condition of `if` must be a bool".to_string(),
            FunctionError::InvalidStoreTypes { .. } => {
                return "the value must be of the type of the variable that it is stored in".to_string();
            }
            _ => {}
        }
    }
    let mut innermost = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        innermost = inner.to_string();
        source = inner.source();
    }
    innermost
}

fn symbol(op: BinaryOperator) -> &'static str {
    use BinaryOperator as B;
    match op {
        B::Add => "+",
        B::Subtract => "-",
        B::Multiply => "*",
        B::Divide => "/",
        B::Modulo => "%",
        B::Equal => "==",
        B::NotEqual => "!=",
        B::Less => "<",
        B::LessEqual => "<=",
        B::Greater => ">",
        B::GreaterEqual => ">=",
        B::And => "&",
        B::ExclusiveOr => "^",
        B::InclusiveOr => "|",
        B::LogicalAnd => "&&",
        B::LogicalOr => "||",
        B::ShiftLeft => "<<",
        B::ShiftRight => ">>",
    }
}

/// Remedies for what modellers run into most.
fn remedy(marked: &str, message: &str, grid: bool) -> Option<String> {
    let known = match marked {
        "Near" | "NearFields" if !grid => "`Near` exists only on grids: add a [grid] section to the study",
        "up" | "down" | "dy" if grid => "on a one-dimensional grid Near has left, right, laplacian and dx",
        "Theta" => "declare the parameters, for example `struct Theta { gravity: f32 }`",
        "Input" => "declare the measured inputs, for example `struct Input { torque: f32 }`",
        "Output" => "declare what is observed, for example `struct Output { angle: f32 }`, or use State",
        "f64" | "f16" => "use f32: the engine itself computes in f64 where the study asks for it",
        "PI" | "pi" => "WGSL has no constant for it: write `const PI = 3.14159265358979;`",
        _ => "",
    };
    if !known.is_empty() {
        return Some(known.to_string());
    }
    let lower = message.to_lowercase();
    let known = if lower.contains("f16") || lower.contains("f64") || lower.contains("64-bit") {
        "use f32: the engine itself computes in f64 where the study asks for it"
    } else if lower.contains("cyclic") || lower.contains("recursi") {
        "WGSL has no recursion: write a loop with a fixed number of rounds"
    } else if lower.contains("cannot combine") || lower.contains("automatic conversion") || lower.contains("must be") {
        "WGSL does not mix types: write 2.0 rather than 2u or i32 variables beside f32, and convert with f32(...)"
    } else if lower.contains("exceeds limit") {
        "make the array smaller; cells of a grid are declared by [grid], not by arrays"
    } else {
        return None;
    };
    Some(known.to_string())
}
