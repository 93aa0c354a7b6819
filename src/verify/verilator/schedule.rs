//! The loops that Verilator writes around a module's logic, where they are the usual ones.
//!
//! In: C++ text of one module. Out: the text without those loops, and which regions it has. The loops are the
//! same in nearly every module (580 of 584 real ones) and are most of its functions, so the runtime has them
//! once, compiled well (`salv_settle` and `salv_eval` in `cpp/src/runtime.cpp`), and the member keeps its logic
//! alone. That halves what the compiler has to do, and a step of a module built with `-O0` is quicker too.
//!
//! They are taken out only if each of them is, white space aside, exactly the text below: what they do is then
//! known. A module whose regions differ (an input that is clocked too, a loop of combinational logic, more than
//! 64 triggers) keeps Verilator's own.

use std::collections::HashMap;
use std::fmt::Write as _;

/// The regions of a module whose loops were taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Logic that settles once at the start.
    pub settle: bool,
    /// Logic that follows the inputs.
    pub inputs: bool,
    /// Logic that follows edges and other events.
    pub clocked: bool,
}

/// Takes the loops out of `text`; `None` if they are not the usual ones.
///
/// `root` is the name of the class, `symbols` that of its symbol table.
pub fn take(text: &str, root: &str, symbols: &str) -> Option<(String, Schedule)> {
    let functions: HashMap<&str, &str> = items(text, root)
        .filter_map(|(name, item)| Some((name?.strip_prefix(root)?, item)))
        .filter(|(_, item)| item.ends_with("}\n"))
        .collect();
    let has = |name: &str| functions.contains_key(format!("___{name}").as_str());
    let schedule = Schedule {
        settle: has("eval_phase__stl"),
        inputs: has("eval_phase__ico"),
        clocked: has("eval_phase__nba"),
    };
    let usual = usual(schedule);
    let same = |(head, body): &(&str, String)| {
        functions.get(format!("___{}", name_in(head)).as_str()).is_some_and(|item| {
            squash(item, root, symbols) == squash(&whole(head, body), root, symbols)
        })
    };
    let words = schedule.triggers().iter().all(|region| {
        text.contains(&format!("    VlUnpacked<QData/*63:0*/, 1> __V{region}Triggered;\n"))
    });
    if !words || !usual.iter().all(same) {
        return None;
    }
    let known = |name: &str| {
        let rest = name.strip_prefix(root).and_then(|name| name.strip_prefix("___"));
        rest.is_some_and(|rest| usual.iter().any(|(head, _)| name_in(head) == rest))
    };
    let kept = items(text, root).filter(|(name, _)| !name.is_some_and(known));
    Some((kept.map(|(_, item)| item).collect(), schedule))
}

/// Tells whether Verilator's own loops stand in `text`.
pub fn stays(text: &str) -> bool {
    text.contains("___eval_phase__")
}

impl Schedule {
    /// The regions that have a word of triggers.
    fn triggers(self) -> Vec<&'static str> {
        let of = |has: bool, names: &'static [&'static str]| if has { names } else { &[] };
        [of(self.settle, &["stl"]), of(self.inputs, &["ico"]), of(self.clocked, &["act", "nba"])]
            .concat()
    }

    /// The entries of the model's table.
    pub fn entries(self, root: &str) -> String {
        let mut entries = String::new();
        let regions = [(self.settle, "eval_stl", "stl"), (self.inputs, "eval_ico", "ico")];
        for (has, body, region) in regions {
            let _ = if has {
                write!(
                    entries,
                    "{{(salv::Step)&{root}___{body}, offsetof({root}, __V{region}Triggered)}}, "
                )
            } else {
                write!(entries, "{{nullptr, 0}}, ")
            };
        }
        if self.clocked {
            let _ = write!(
                entries,
                "(salv::Step)&{root}___eval_triggers_vec__act, offsetof({root}, __VactTriggered), \
                 {{(salv::Step)&{root}___eval_nba, offsetof({root}, __VnbaTriggered)}}"
            );
        } else {
            entries.push_str("nullptr, 0, {nullptr, 0}");
        }
        entries
    }
}

/// The text cut into functions, with the name of what each declares or defines, and single other lines.
pub fn items<'a>(text: &'a str, root: &'a str) -> impl Iterator<Item = (Option<&'a str>, &'a str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let line = rest.lines().next()?;
        let name = head(line, root);
        let length = if name.is_some() && line.ends_with('{') {
            rest.find("\n}\n").map_or(rest.len(), |at| at + 3)
        } else {
            rest.len().min(line.len() + 1)
        };
        let (item, after) = rest.split_at(length);
        rest = after;
        Some((name, item))
    })
}

/// The name of the function that `line` declares or begins to define, on one line as Verilator writes it.
pub fn head<'a>(line: &'a str, root: &str) -> Option<&'a str> {
    let line = line.strip_prefix("VL_ATTR_COLD ").unwrap_or(line);
    let rest = line.strip_prefix("void ").or_else(|| line.strip_prefix("bool "))?;
    let whole = rest.ends_with(';') || rest.ends_with('{');
    let name = identifier(rest);
    let function = rest[name.len()..].starts_with('(') && name.starts_with(root);
    (function && whole).then_some(name)
}

/// The identifier that `text` begins with.
pub fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The name in a head of the text below.
fn name_in(head: &str) -> &str {
    head.split([' ', '(']).nth(1).unwrap_or_default()
}

/// What makes two functions the same: no white space, no names of the module, no place in its source.
fn squash(item: &str, root: &str, symbols: &str) -> String {
    let mut squashed = String::with_capacity(item.len());
    for line in item.lines() {
        let line = line.strip_prefix("VL_ATTR_COLD ").unwrap_or(line);
        // `VL_FATAL_MT("FILE", LINE, "", "MESSAGE");`
        let fatal = line.trim_start().starts_with("VL_FATAL_MT(");
        let line = if fatal { line.find("DIDNOT").map_or(line, |at| &line[at..]) } else { line };
        squashed.extend(line.chars().filter(|c| !c.is_whitespace()));
    }
    squashed.replace(root, "R").replace(symbols, "Y")
}

/// A function of the text below, as Verilator writes it for a class `R`.
fn whole(head: &str, body: &str) -> String {
    let (kind, rest) = head.split_once(' ').unwrap_or_default();
    let of_model = rest.contains("(R*");
    let locals = if of_model {
        "Y* const __restrict vlSymsp VL_ATTR_UNUSED = vlSelf->vlSymsp; auto& vlSelfRef = *vlSelf;"
    } else {
        ""
    };
    format!("{kind} R___{rest} {{ {locals} {body} }}")
}

/// The usual loops of a module with these regions: heads without the class, and bodies.
fn usual(schedule: Schedule) -> Vec<(&'static str, String)> {
    let mut usual = Vec::new();
    let mut eval_locals = String::new();
    let mut eval = String::new();
    let mut settle = String::new();
    if schedule.settle {
        settle = format!("IData/*31:0*/ __VstlIterCount; {}", once_loop("stl", "Settle"));
        usual.extend(once_functions([
            ["void eval_triggers_vec__stl(R* vlSelf)", "stl"],
            ["bool trigger_anySet__stl(const VlUnpacked<QData/*63:0*/, 1> &in)", "stl"],
            ["bool eval_phase__stl(R* vlSelf)", "stl"],
        ]));
    }
    if schedule.inputs {
        eval_locals += "IData/*31:0*/ __VicoIterCount;";
        eval += &once_loop("ico", "Input combinational");
        usual.extend(once_functions([
            ["void eval_triggers_vec__ico(R* vlSelf)", "ico"],
            ["bool trigger_anySet__ico(const VlUnpacked<QData/*63:0*/, 1> &in)", "ico"],
            ["bool eval_phase__ico(R* vlSelf)", "ico"],
        ]));
    }
    if schedule.clocked {
        eval_locals += "IData/*31:0*/ __VnbaIterCount;";
        eval += CLOCKED_LOOP;
        usual.extend(CLOCKED.map(|(head, body)| (head, body.to_owned())));
    }
    usual.push(("void eval_settle(R* vlSelf)", settle));
    usual.push(("void eval(R* vlSelf)", eval_locals + &eval));
    usual
}

/// The loop around a region that runs once: its only trigger is its first iteration.
fn once_loop(region: &str, name: &str) -> String {
    format!(
        "__V{region}IterCount = 0U;
        vlSelfRef.__V{region}FirstIteration = 1U;
        do {{
            if (VL_UNLIKELY(((0x000003e8U < __V{region}IterCount)))) {{
                DIDNOTCONVERGE: {name} region did not converge after '--converge-limit' of 1000 tries\");
            }}
            __V{region}IterCount = ((IData)(1U) + __V{region}IterCount);
            vlSelfRef.__V{region}PhaseResult = R___eval_phase__{region}(vlSelf);
            vlSelfRef.__V{region}FirstIteration = 0U;
        }} while (vlSelfRef.__V{region}PhaseResult);"
    )
}

/// Its functions, for heads in the order triggers, any trigger, phase.
fn once_functions(heads: [[&'static str; 2]; 3]) -> [(&'static str, String); 3] {
    let [[triggers, region], [any, _], [phase, _]] = heads;
    let set = format!(
        "vlSelfRef.__V{region}Triggered[0U] = ((0xfffffffffffffffeULL & vlSelfRef.__V{region}Triggered[0U])
            | (IData)((IData)(vlSelfRef.__V{region}FirstIteration)));"
    );
    let run = format!(
        "CData/*0:0*/ __V{region}Execute;
        R___eval_triggers_vec__{region}(vlSelf);
        __V{region}Execute = R___trigger_anySet__{region}(vlSelfRef.__V{region}Triggered);
        if (__V{region}Execute) {{ R___eval_{region}(vlSelf); }}
        return (__V{region}Execute);"
    );
    [(triggers, set), (any, ANY_SET.to_owned()), (phase, run)]
}

const ANY_SET: &str = "IData/*31:0*/ n; n = 0U;
    do { if (in[n]) { return (1U); } n = ((IData)(1U) + n); } while ((1U > n));
    return (0U);";

/// The loop around what edges start.
const CLOCKED_LOOP: &str = "__VnbaIterCount = 0U;
    do {
        if (VL_UNLIKELY(((0x000003e8U < __VnbaIterCount)))) {
            DIDNOTCONVERGE: NBA region did not converge after '--converge-limit' of 1000 tries\");
        }
        __VnbaIterCount = ((IData)(1U) + __VnbaIterCount);
        vlSelfRef.__VactIterCount = 0U;
        do {
            if (VL_UNLIKELY(((0x000003e8U < vlSelfRef.__VactIterCount)))) {
                DIDNOTCONVERGE: Active region did not converge after '--converge-limit' of 1000 tries\");
            }
            vlSelfRef.__VactIterCount = ((IData)(1U) + vlSelfRef.__VactIterCount);
            vlSelfRef.__VactPhaseResult = R___eval_phase__act(vlSelf);
        } while (vlSelfRef.__VactPhaseResult);
        vlSelfRef.__VnbaPhaseResult = R___eval_phase__nba(vlSelf);
    } while (vlSelfRef.__VnbaPhaseResult);";

const CLOCKED: [(&str, &str); 5] = [
    ("bool trigger_anySet__act(const VlUnpacked<QData/*63:0*/, 1> &in)", ANY_SET),
    (
        "void trigger_orInto__act_vec_vec(VlUnpacked<QData/*63:0*/, 1> &out, const VlUnpacked<QData/*63:0*/, 1> &in)",
        "IData/*31:0*/ n; n = 0U;
        do { out[n] = (out[n] | in[n]); n = ((IData)(1U) + n); } while ((0U >= n));",
    ),
    (
        "void trigger_clear__act(VlUnpacked<QData/*63:0*/, 1> &out)",
        "IData/*31:0*/ n; n = 0U;
        do { out[n] = 0ULL; n = ((IData)(1U) + n); } while ((1U > n));",
    ),
    (
        "bool eval_phase__act(R* vlSelf)",
        "R___eval_triggers_vec__act(vlSelf);
        R___trigger_orInto__act_vec_vec(vlSelfRef.__VnbaTriggered, vlSelfRef.__VactTriggered);
        return (0U);",
    ),
    (
        "bool eval_phase__nba(R* vlSelf)",
        "CData/*0:0*/ __VnbaExecute;
        __VnbaExecute = R___trigger_anySet__act(vlSelfRef.__VnbaTriggered);
        if (__VnbaExecute) {
            R___eval_nba(vlSelf);
            R___trigger_clear__act(vlSelfRef.__VnbaTriggered);
        }
        return (__VnbaExecute);",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What Verilator 5.49 writes for `always @(posedge i0) o0 <= i1;`, without debug code and logic.
    const CLOCKED_TEXT: &str = r#"class alignas(VL_CACHE_LINE_BYTES) Sx___024root final {
    VlUnpacked<QData/*63:0*/, 1> __VactTriggered;
    VlUnpacked<QData/*63:0*/, 1> __VnbaTriggered;
};
void Sx___024root___eval_triggers_vec__act(Sx___024root* vlSelf) {
    edges(vlSelf);
}
bool Sx___024root___trigger_anySet__act(const VlUnpacked<QData/*63:0*/, 1> &in) {
    IData/*31:0*/ n;
    n = 0U;
    do {
        if (in[n]) {
            return (1U);
        }
        n = ((IData)(1U) + n);
    } while ((1U > n));
    return (0U);
}
void Sx___024root___eval_nba(Sx___024root* vlSelf) {
    logic(vlSelf);
}
void Sx___024root___trigger_orInto__act_vec_vec(VlUnpacked<QData/*63:0*/, 1> &out, const VlUnpacked<QData/*63:0*/, 1> &in) {
    IData/*31:0*/ n;
    n = 0U;
    do {
        out[n] = (out[n] | in[n]);
        n = ((IData)(1U) + n);
    } while ((0U >= n));
}
bool Sx___024root___eval_phase__act(Sx___024root* vlSelf) {
    salv_symbols* const __restrict vlSymsp VL_ATTR_UNUSED = vlSelf->vlSymsp;
    auto& vlSelfRef = *vlSelf;
    Sx___024root___eval_triggers_vec__act(vlSelf);
    Sx___024root___trigger_orInto__act_vec_vec(vlSelfRef.__VnbaTriggered, vlSelfRef.__VactTriggered);
    return (0U);
}
void Sx___024root___trigger_clear__act(VlUnpacked<QData/*63:0*/, 1> &out) {
    IData/*31:0*/ n;
    n = 0U;
    do {
        out[n] = 0ULL;
        n = ((IData)(1U) + n);
    } while ((1U > n));
}
bool Sx___024root___eval_phase__nba(Sx___024root* vlSelf) {
    salv_symbols* const __restrict vlSymsp VL_ATTR_UNUSED = vlSelf->vlSymsp;
    auto& vlSelfRef = *vlSelf;
    CData/*0:0*/ __VnbaExecute;
    __VnbaExecute = Sx___024root___trigger_anySet__act(vlSelfRef.__VnbaTriggered);
    if (__VnbaExecute) {
        Sx___024root___eval_nba(vlSelf);
        Sx___024root___trigger_clear__act(vlSelfRef.__VnbaTriggered);
    }
    return (__VnbaExecute);
}
void Sx___024root___eval(Sx___024root* vlSelf) {
    salv_symbols* const __restrict vlSymsp VL_ATTR_UNUSED = vlSelf->vlSymsp;
    auto& vlSelfRef = *vlSelf;
    IData/*31:0*/ __VnbaIterCount;
    __VnbaIterCount = 0U;
    do {
        if (VL_UNLIKELY(((0x000003e8U < __VnbaIterCount)))) {
            VL_FATAL_MT("module.sv", 48, "", "DIDNOTCONVERGE: NBA region did not converge after '--converge-limit' of 1000 tries");
        }
        __VnbaIterCount = ((IData)(1U) + __VnbaIterCount);
        vlSelfRef.__VactIterCount = 0U;
        do {
            if (VL_UNLIKELY(((0x000003e8U < vlSelfRef.__VactIterCount)))) {
                VL_FATAL_MT("module.sv", 48, "", "DIDNOTCONVERGE: Active region did not converge after '--converge-limit' of 1000 tries");
            }
            vlSelfRef.__VactIterCount = ((IData)(1U)
                                         + vlSelfRef.__VactIterCount);
            vlSelfRef.__VactPhaseResult = Sx___024root___eval_phase__act(vlSelf);
        } while (vlSelfRef.__VactPhaseResult);
        vlSelfRef.__VnbaPhaseResult = Sx___024root___eval_phase__nba(vlSelf);
    } while (vlSelfRef.__VnbaPhaseResult);
}
VL_ATTR_COLD void Sx___024root___eval_settle(Sx___024root* vlSelf) {
    salv_symbols* const __restrict vlSymsp VL_ATTR_UNUSED = vlSelf->vlSymsp;
    auto& vlSelfRef = *vlSelf;
}
"#;

    fn take_text(text: &str) -> Option<(String, Schedule)> {
        take(text, "Sx___024root", "salv_symbols")
    }

    #[test]
    fn usual_loops_are_taken_out_and_the_logic_stays() {
        let (rest, schedule) = take_text(CLOCKED_TEXT).expect("the usual loops");
        assert_eq!(schedule, Schedule { settle: false, inputs: false, clocked: true });
        assert!(rest.contains("logic(vlSelf)"), "{rest}");
        assert!(rest.contains("edges(vlSelf)"), "{rest}");
        assert!(!rest.contains("while"), "{rest}");
    }

    #[test]
    fn one_other_word_in_a_loop_keeps_them_all() {
        for (word, other) in [
            ("0x000003e8U < __VnbaIterCount", "0x00000064U < __VnbaIterCount"),
            (
                "    return (0U);\n}\nvoid Sx___024root___trigger_clear",
                "    return (1U);\n}\nvoid Sx___024root___trigger_clear",
            ),
            ("out[n] = 0ULL;", "out[n] = 1ULL;"),
            (
                "VlUnpacked<QData/*63:0*/, 1> __VnbaTriggered;",
                "VlUnpacked<QData/*63:0*/, 2> __VnbaTriggered;",
            ),
            (
                "VL_ATTR_COLD void Sx___024root___eval_settle",
                "VL_ATTR_COLD void Sx___024root___eval_other",
            ),
        ] {
            let text = CLOCKED_TEXT.replacen(word, other, 1);
            assert_ne!(text, CLOCKED_TEXT, "{word}");
            assert_eq!(take_text(&text), None, "{other}");
        }
    }
}
