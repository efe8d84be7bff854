//! Kernels stay within WebGPU's default limits, and within budgets of what drivers compile well: statements, and arrays
//! that a thread keeps to itself.

use super::translate::Parsed;
use super::workloads::distinct;
use naga::{AddressSpace, Block, Function, Handle, Module, Statement, Type, TypeInner};

/// Statements of a kernel: some drivers take minutes over more, or fail.
pub const STATEMENTS: usize = 2_000;

/// Bytes of the arrays of a thread: what is indexed at run time lies in memory where registers do not suffice.
pub const PRIVATE_BYTES: u32 = 256;

/// What a kernel needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    pub storage: u32,
    pub uniform: u32,
    pub workgroup_bytes: u32,
    pub threads: u32,
    pub private_bytes: u32,
    pub statements: usize,
}

impl Needs {
    pub fn of(parsed: &Parsed) -> Needs {
        let module = &parsed.module;
        let used = parsed.info.get_entry_point(0);
        let mut needs = Needs { threads: module.entry_points[0].workgroup_size.iter().product(), ..Needs::default() };
        for (_, global) in module.global_variables.iter().filter(|(handle, _)| !used[*handle].is_empty()) {
            match global.space {
                AddressSpace::Storage { .. } => needs.storage += 1,
                AddressSpace::Uniform => needs.uniform += 1,
                AddressSpace::WorkGroup => needs.workgroup_bytes += module.types[global.ty].inner.size(module.to_ctx()),
                AddressSpace::Private => needs.private_bytes += array_bytes(module, global.ty),
                _ => {}
            }
        }
        let functions = module.functions.iter().map(|(_, function)| function);
        for function in functions.chain([&module.entry_points[0].function]) {
            needs.statements += statements(function);
            needs.private_bytes += function.local_variables.iter().map(|(_, v)| array_bytes(module, v.ty)).sum::<u32>();
        }
        needs
    }

    /// What is beyond a limit or a budget.
    pub fn excess(&self) -> Vec<String> {
        let rows = [
            ("storage buffers", self.storage as usize, 8),
            ("uniform buffers", self.uniform as usize, 1),
            ("bytes of workgroup memory", self.workgroup_bytes as usize, 16_384),
            ("threads of a workgroup", self.threads as usize, 256),
            ("bytes of arrays of a thread", self.private_bytes as usize, PRIVATE_BYTES as usize),
            ("statements", self.statements, STATEMENTS),
        ];
        let beyond = rows.into_iter().filter(|(_, found, most)| found > most);
        beyond.map(|(what, found, most)| format!("{found} {what}, more than {most}")).collect()
    }

    /// The larger of each.
    pub fn max(self, other: Needs) -> Needs {
        Needs {
            storage: self.storage.max(other.storage),
            uniform: self.uniform.max(other.uniform),
            workgroup_bytes: self.workgroup_bytes.max(other.workgroup_bytes),
            threads: self.threads.max(other.threads),
            private_bytes: self.private_bytes.max(other.private_bytes),
            statements: self.statements.max(other.statements),
        }
    }
}

fn array_bytes(module: &Module, ty: Handle<Type>) -> u32 {
    match module.types[ty].inner {
        TypeInner::Array { .. } => module.types[ty].inner.size(module.to_ctx()),
        _ => 0,
    }
}

/// Statements and named values.
fn statements(function: &Function) -> usize {
    function.named_expressions.len() + block(&function.body)
}

fn block(block: &Block) -> usize {
    let each = |statement: &Statement| match statement {
        // Values: they count where they have a name.
        Statement::Emit(_) => 0,
        Statement::Block(inner) => self::block(inner),
        Statement::If { accept, reject, .. } => 1 + self::block(accept) + self::block(reject),
        Statement::Switch { cases, .. } => 1 + cases.iter().map(|case| self::block(&case.body)).sum::<usize>(),
        Statement::Loop { body, continuing, .. } => 1 + self::block(body) + self::block(continuing),
        _ => 1,
    };
    block.iter().map(each).sum()
}

#[test]
fn kernels_stay_within_limits_and_budgets() {
    let mut most = Needs::default();
    for (name, source) in distinct() {
        let parsed = Parsed::new(&source).unwrap_or_else(|e| panic!("{name}: {e}"));
        let needs = Needs::of(&parsed);
        assert!(needs.excess().is_empty(), "{name}: {:?}", needs.excess());
        let bindings = parsed.module.global_variables.iter().filter_map(|(_, global)| global.binding);
        for binding in bindings {
            assert!(binding.group == 0 && binding.binding <= 8, "{name}: {binding:?}");
        }
        // Drivers have stumbled over both.
        for word in ["continuing", "break if"] {
            assert!(!source.text.contains(word), "{name}: `{word}`");
        }
        most = most.max(needs);
    }
    println!("at most {most:?}");
}
