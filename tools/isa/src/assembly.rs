//! Counts of instructions by class, in a whole program and in its product loop, from a driver's disassembly for AMD chips.

/// Instructions by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Vector instructions that multiply and add floats: what products are made of.
    pub multiply_adds: usize,
    /// Vector instructions of the arithmetic units, multiply-adds among them.
    pub vector: usize,
    /// Scalar instructions but waits, hints and no-ops, which cost no unit.
    pub scalar: usize,
    /// Accesses of workgroup memory.
    pub shared: usize,
    /// Accesses of buffers by vectors of addresses.
    pub memory: usize,
}

/// A program in the order in which it stands in memory.
#[derive(Debug, Default)]
pub struct Assembly {
    instructions: Vec<String>,
    /// First and last instruction of each loop: from the target of a branch backwards to that branch.
    loops: Vec<(usize, usize)>,
}

impl Assembly {
    /// Reads what the driver prints: labels `BB7:`, and instructions with their operands and, behind `;`, their code.
    pub fn parse(text: &str) -> Assembly {
        let mut labels: Vec<(&str, usize)> = Vec::new();
        let mut assembly = Assembly::default();
        for line in text.lines() {
            let line = line.split(';').next().unwrap_or_default().trim();
            let mut words = line.split_whitespace();
            let Some(first) = words.next() else { continue };
            if let Some(label) = first.strip_suffix(':') {
                labels.push((label, assembly.instructions.len()));
                continue;
            }
            let here = assembly.instructions.len();
            assembly.instructions.push(first.to_string());
            let target = words.next().and_then(|operand| labels.iter().find(|(label, _)| *label == operand));
            if let (true, Some((_, start))) = (first.starts_with("s_branch") || first.starts_with("s_cbranch"), target)
            {
                assembly.loops.push((*start, here));
            }
        }
        assembly
    }

    /// Counts of the whole program.
    pub fn whole(&self) -> Counts {
        self.count(0..self.instructions.len())
    }

    /// Counts of one round of the product loop: of those with at least eight multiply-adds of their own, not in loops within
    /// them, the one with the largest share of them; `None` if there is none.
    pub fn product_loop(&self) -> Option<Counts> {
        // A loop with several branches to its start is as long as the last of them.
        let mut loops: Vec<(usize, usize)> = Vec::new();
        for (start, end) in &self.loops {
            match loops.iter_mut().find(|known| known.0 == *start) {
                Some(known) => known.1 = known.1.max(*end),
                None => loops.push((*start, *end)),
            }
        }
        let own = loops.iter().map(|(start, end)| {
            let within = |i: &usize| loops.iter().any(|(s, e)| s > start && e <= end && (s..=e).contains(&i));
            self.count((*start..=*end).filter(|i| !within(i)))
        });
        let share = |counts: &Counts| (1000 * counts.multiply_adds / counts.vector.max(1), counts.multiply_adds);
        own.filter(|counts| counts.multiply_adds >= 8).max_by_key(share)
    }

    fn count(&self, instructions: impl Iterator<Item = usize>) -> Counts {
        let mut counts = Counts::default();
        for name in instructions.map(|i| &self.instructions[i]) {
            if name.starts_with("v_") {
                counts.vector += 1;
                counts.multiply_adds += usize::from(multiplies_and_adds(name));
            } else if name.starts_with("ds_") {
                counts.shared += 1;
            } else if ["buffer_", "global_", "flat_", "scratch_"].iter().any(|prefix| name.starts_with(prefix)) {
                counts.memory += 1;
            } else if !["s_waitcnt", "s_nop", "s_clause", "s_delay", "s_inst_prefetch"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
            {
                counts.scalar += 1;
            }
        }
        counts
    }
}

/// `v_fma_f32`, `v_fmac_f32_e32`, `v_mac_f32`, `v_mad_f32`, `v_fmaak_f32`, … and packed ones; those of integers are
/// arithmetic of addresses.
fn multiplies_and_adds(name: &str) -> bool {
    let name = name.trim_start_matches("v_").trim_start_matches("pk_");
    let known = ["fma_", "fmac_", "mac_", "mad_", "fmaak_", "fmamk_", "madak_", "madmk_", "dot2_", "dot2c_"];
    known.iter().any(|prefix| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('f')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "BB0:
\tv_mov_b32_e32 v1, 0        ; 7e020280
\ts_mov_b32 s1, 0            ; be810380
BB1:
\ts_cmp_ge_u32 s1, 16        ; bf099021
\ts_cbranch_scc1 BB9         ; bf850000
BB2:
\tds_read_b128 v[4:7], v1    ; d8000000
\tbuffer_load_dwordx4 v[8:11], v1, s[0:3], 0 offen
\ts_waitcnt lgkmcnt(0)
\tv_fmac_f32_e32 v1, v4, v8  ; 56020000
\tv_fma_f32 v2, v5, v9, v2
\tv_mad_u32_u24 v3, v1, 4, v2
\ts_cbranch_scc0 BB1
BB3:
\ts_add_u32 s1, s1, 1
\ts_branch BB1
BB9:
\tv_fma_f32 v2, v5, v9, v2
\ts_cbranch_scc1 BB0
BB10:
\ts_endpgm
";

    #[test]
    fn instructions_are_counted_by_class() {
        let whole = Assembly::parse(TEXT).whole();
        assert_eq!(whole, Counts { multiply_adds: 3, vector: 5, scalar: 8, shared: 1, memory: 1 });
    }

    #[test]
    fn the_product_loop_ends_at_its_last_branch_and_leaves_out_loops_within() {
        // The inner loop has 8 multiply-adds of 9 vector instructions, the outer 16 of 32 of its own.
        let add = "\tv_fma_f32 v2, v5, v9, v2\n";
        let text = format!(
            "BB0:\n{}{}BB1:\n\ts_cbranch_scc1 BB9\n{}\ts_cbranch_scc0 BB1\n\tv_mov_b32_e32 v1, 0\n\ts_branch BB1\nBB9:\n\ts_cbranch_scc1 BB0\n",
            add.repeat(16),
            "\tv_mov_b32_e32 v1, 0\n".repeat(16),
            add.repeat(8),
        );
        let expected = Counts { multiply_adds: 8, vector: 9, scalar: 3, shared: 0, memory: 0 };
        assert_eq!(Assembly::parse(&text).product_loop(), Some(expected));
        assert_eq!(Assembly::parse(TEXT).product_loop(), None);
    }
}
