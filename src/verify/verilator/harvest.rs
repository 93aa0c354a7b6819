//! What Verilator wrote for one module, cut to what is needed: a member of a unit.
//!
//! In: the folder of one verilation. Out: C++ text that stands for itself. Most of what Verilator writes is
//! the same for every module and costs the compiler several times what the module's own logic does (8 ms of
//! 13 ms, measured), so it is left out or shared: the public class, the symbol table, constructors, debug
//! code, functions that nothing calls, helpers that are the same in all members, and the loops around the
//! logic (see [`super::schedule`]).
//!
//! What is hard-coded about Verilator 5.48:
//! - `--flatten` leaves one class, `<prefix>___024root`, unless packages or classes hold variables;
//! - its files are `<prefix>*.h` and `<prefix>*.cpp`; `<prefix>.cpp` is the public class, not needed here;
//! - functions that run a model are `<prefix>___024root___eval_static`, `_eval_initial`, `_eval_settle`
//!   and `_eval`; `_ctor_var_reset` gives every variable its value at power-up;
//! - the members before `vlSymsp` are the state;
//! - a function begins with its head on one line and ends with a brace at the start of a line.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use super::schedule::{self, Schedule, head, identifier, items};
use crate::design::{Direction, Interface};

/// A module as C++ text for a unit, with the symbol of its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Symbol of the `ModelTable`, made from the content of the module.
    pub symbol: String,
    /// C++ text.
    pub text: String,
}

/// Largest C++ text of a member in bytes. The largest of 3,000 real candidates takes 3 MB.
pub const MEMBER_SIZE_MAX: usize = 8 << 20;

/// Changes when the text that [`harvest`] makes changes for the same input.
pub const REVISION: &str = "6";

/// The symbol of the table of the module with that prefix.
pub fn symbol(prefix: &str) -> String {
    format!("salv_{prefix}")
}

/// Why Verilator's output could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HarvestError {
    /// A file could not be read.
    #[error("failed to read verilator's output {path}")]
    Read {
        /// The file or folder.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The output is larger than a unit can take.
    #[error("the generated C++ takes {0} bytes, more than {MEMBER_SIZE_MAX}")]
    TooLarge(usize),
}

/// Reads Verilator's output in `folder` and makes the member of it.
pub fn harvest(folder: &Path, prefix: &str, golden: &Interface) -> Result<Member, HarvestError> {
    let files = read_files(folder, prefix)?;
    let root = format!("{prefix}___024root");
    // Constant tables are plain globals.
    let constants = format!("{prefix}__ConstPool");
    let plain = |name: &str| name.starts_with(&root) || name.starts_with(&constants);
    let alone = files.iter().all(|(name, _)| plain(name) || is_public(name, prefix));
    let mut text = String::new();
    for (name, content) in &files {
        if name != &format!("{prefix}.cpp") && !(alone && is_public(name, prefix)) {
            trim(content, &mut text);
        }
    }
    if alone {
        text = without_life(&text, prefix, &root);
    }
    let symbols = if alone { "salv_symbols".into() } else { format!("{prefix}__Syms") };
    let schedule = schedule::take(&text, &root, &symbols);
    let schedule = schedule.map(|(rest, schedule)| {
        text = rest;
        schedule
    });
    let life = match alone {
        true if is_plain(&text, &root) => Life::Plain,
        true => Life::Alone,
        false => Life::InTable,
    };
    let text = concise(&text, &root, &symbols, life);
    let (mut text, empty) = without_empty(&text, &root);
    let symbol = symbol(prefix);
    let model = Model { symbol: &symbol, prefix, root: &root, life, schedule, empty };
    text += &model.table(golden);
    let text = economical(&text, &root);
    if text.len() > MEMBER_SIZE_MAX {
        return Err(HarvestError::TooLarge(text.len()));
    }
    Ok(Member { symbol, text })
}

/// Files that declare or define the public class and the symbol table.
fn is_public(name: &str, prefix: &str) -> bool {
    let rest = name.strip_prefix(prefix).unwrap_or(name);
    matches!(rest, ".h" | ".cpp") || rest.starts_with("__Syms")
}

/// The C++ files in the order in which they can stand in one unit: classes, the symbol table that holds
/// them, then bodies.
fn read_files(folder: &Path, prefix: &str) -> Result<Vec<(String, String)>, HarvestError> {
    let error =
        |path: &Path, source| HarvestError::Read { path: path.display().to_string(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| error(folder, e))? {
        let path = entry.map_err(|e| error(folder, e))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let wanted = name.starts_with(prefix)
            && (name.ends_with(".cpp") || name.ends_with(".h") && !name.ends_with("__pch.h"));
        if wanted {
            files.push((name, std::fs::read_to_string(&path).map_err(|e| error(&path, e))?));
        }
    }
    let rank = |name: &str| match () {
        () if name == format!("{prefix}.h") => 0,
        () if name.contains("__Syms") && name.ends_with(".h") => 2,
        () if name.ends_with(".h") => 1,
        () => 3,
    };
    files.sort_by(|(a, _), (b, _)| (rank(a), a).cmp(&(rank(b), b)));
    Ok(files)
}

/// Copies `content` without what costs compile time and does nothing here: includes (the precompiled
/// header has them), debug code, and the detour by `std::ref`, which instantiates templates.
fn trim(content: &str, text: &mut String) {
    let mut debug = false;
    for line in content.lines() {
        let start = line.trim_start();
        if debug {
            debug = !start.starts_with("#endif");
        } else if start.starts_with("#ifdef VL_DEBUG") {
            debug = true;
        } else if start.is_empty()
            || start.starts_with("//")
            || start.starts_with("#include")
            || start.starts_with("VL_DEBUG_IF(") && start.ends_with(");")
        {
        } else {
            text.push_str(&line.replace("std::ref(*vlSelf).get()", "*vlSelf"));
            text.push('\n');
        }
    }
}

/// A class that stands alone needs no constructor but its members' own, and its symbol table is one for all
/// members (`salv_symbols` in `salv_unit.h`), since it holds nothing else.
fn without_life(text: &str, prefix: &str, root: &str) -> String {
    let table = format!("{prefix}__Syms");
    let declared = [
        format!("class {table};"),
        format!("{root}({table}* symsp, const char* namep);"),
        format!("~{root}();"),
        format!("VL_UNCOPYABLE({root});"),
        "void __Vconfigure(bool first);".into(),
    ];
    let defined = [format!("{root}::"), format!("void {root}::__Vconfigure(")];
    let mut kept = String::with_capacity(text.len());
    let mut inside = false;
    for line in text.lines() {
        if inside {
            inside = line != "}";
        } else if defined.iter().any(|head| line.starts_with(head)) {
            inside = true;
        } else if !declared.iter().any(|known| line.trim() == known)
            && !line.contains("VL_MURMUR64_HASH(vlSelf->vlNamep)")
        {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept.replace(&table, "salv_symbols")
}

/// Drops functions that nothing calls (Verilator inlines many and emits them all the same), and lets
/// members share those that speak of no model: the helpers around triggers are the same in all of them.
fn economical(text: &str, root: &str) -> String {
    let mut uses: HashMap<&str, usize> = HashMap::new();
    let mut heads: HashMap<&str, usize> = HashMap::new();
    for line in text.lines() {
        for (at, _) in line.match_indices(root) {
            *uses.entry(identifier(&line[at..])).or_default() += 1;
        }
        if let Some(name) = head(line, root) {
            *heads.entry(name).or_default() += 1;
        }
    }
    let mut shared: Vec<(&str, String)> = Vec::new();
    let mut kept = String::with_capacity(text.len());
    for (name, item) in items(text, root) {
        match name {
            Some(name) if uses.get(name) == heads.get(name) => {}
            Some(name) if item.ends_with("}\n") && item.matches(root).count() == 1 => {
                let body = item.replace(name, "");
                let common = format!("salv_{}", &blake3::hash(body.as_bytes()).to_hex()[..16]);
                let guarded = item.replace(name, &common);
                let _ = write!(kept, "#ifndef {common}_\n#define {common}_\n{guarded}#endif\n");
                shared.push((name, common));
            }
            _ => kept.push_str(item),
        }
    }
    for (name, common) in shared {
        kept = kept.replace(&format!("{name}("), &format!("{common}("));
    }
    kept
}

/// How an object of a module begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// Zeroed memory is an object; the runtime sets what it needs.
    Plain,
    /// A root object by itself, with members that have constructors, such as strings.
    Alone,
    /// A root object inside the symbol table that Verilator wrote.
    InTable,
}

/// Types of members that need no constructor.
const PLAIN: &[&str] =
    &["VL_IN", "VL_OUT", "CData/*", "SData/*", "IData/*", "QData/*", "VlWide<", "VlUnpacked<"];

/// Whether the members of the class, before `vlSymsp`, are numbers and arrays of numbers.
fn is_plain(text: &str, root: &str) -> bool {
    let class = format!("class alignas(VL_CACHE_LINE_BYTES) {root} final {{\n");
    let Some(at) = text.find(&class) else { return false };
    let lines = text[at + class.len()..].lines().map(str::trim);
    let members = lines.skip_while(|line| *line == "public:");
    let mut members = members.take_while(|line| !line.ends_with(" vlSymsp;"));
    let nested = |line: &str| {
        let last = line.rfind('<').map_or(line, |at| &line[at + 1..]);
        line.starts_with("VlUnpacked<")
            && !PLAIN[2..6].iter().any(|plain| last.starts_with(plain))
            && !line.contains("VlWide<")
    };
    members.all(|line| PLAIN.iter().any(|plain| line.starts_with(plain)) && !nested(line))
}

/// Leaves out of each function what does nothing: aliases that are not used, an attribute that makes a second
/// section of code, and zeros that are written to zeroed memory.
fn concise(text: &str, root: &str, symbols: &str, life: Life) -> String {
    let table =
        format!("    {symbols}* const __restrict vlSymsp VL_ATTR_UNUSED = vlSelf->vlSymsp;\n");
    let mut kept = String::with_capacity(text.len());
    for (name, item) in items(text, root) {
        let Some(name) = name else {
            kept.push_str(item);
            continue;
        };
        let mut item = item.replacen("VL_ATTR_COLD ", "", 1);
        if item.matches("vlSymsp").count() == 2 {
            item = item.replacen(&table, "", 1);
        }
        // A text in quotation marks is not to be changed.
        if item.contains(ALIAS) && !item.contains('"') {
            item = without_alias(&item.replacen(ALIAS, "", 1));
        }
        if life == Life::Plain && name.ends_with("___ctor_var_reset") {
            item = without_zeros(&item);
        }
        kept.push_str(&item);
    }
    kept
}

const ALIAS: &str = "    auto& vlSelfRef = *vlSelf;\n";

/// Writes `vlSelf->` for the alias.
fn without_alias(function: &str) -> String {
    let mut kept = String::with_capacity(function.len());
    let mut rest = function;
    while let Some(at) = rest.find("vlSelfRef.") {
        let (before, after) = rest.split_at(at);
        kept.push_str(before);
        let inside = before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        kept.push_str(if inside { "vlSelfRef." } else { "vlSelf->" });
        rest = &after["vlSelfRef.".len()..];
    }
    kept.push_str(rest);
    kept
}

/// Drops `vlSelf->NAME = 0;` and the loop that does it for an array.
fn without_zeros(function: &str) -> String {
    let zero = |line: &str| {
        let place = line.trim().strip_prefix("vlSelf->").and_then(|l| l.strip_suffix(" = 0;"));
        place.is_some_and(|place| {
            let name = identifier(place);
            name == place || place[name.len()..] == *"[__Vi0]"
        })
    };
    let mut kept = String::new();
    let lines: Vec<&str> = function.lines().collect();
    let mut at = 0;
    while at < lines.len() {
        let loops = lines[at].trim().starts_with("for (int __Vi0 = 0; ");
        if loops
            && lines.get(at + 1).is_some_and(|l| zero(l))
            && lines.get(at + 2) == Some(&"    }")
        {
            at += 3;
            continue;
        }
        if !zero(lines[at]) {
            kept.push_str(lines[at]);
            kept.push('\n');
        }
        at += 1;
    }
    kept
}

/// Steps of the table that may be empty functions, which are then left out.
const MAY_BE_EMPTY: [&str; 2] = ["eval_static", "eval_initial"];

/// Drops functions of [`MAY_BE_EMPTY`] that are; returns which.
fn without_empty(text: &str, root: &str) -> (String, Vec<&'static str>) {
    let is_empty =
        |step: &&str| text.contains(&format!("void {root}___{step}({root}* vlSelf) {{\n}}\n"));
    let empty: Vec<&str> = MAY_BE_EMPTY.into_iter().filter(is_empty).collect();
    let dropped = |name: &str| {
        name.strip_prefix(root)
            .and_then(|n| n.strip_prefix("___"))
            .is_some_and(|n| empty.contains(&n))
    };
    let kept = items(text, root).filter(|(name, _)| !name.is_some_and(dropped));
    (kept.map(|(_, item)| item).collect(), empty)
}

/// What the table of a module is made from.
struct Model<'a> {
    symbol: &'a str,
    prefix: &'a str,
    root: &'a str,
    life: Life,
    schedule: Option<Schedule>,
    empty: Vec<&'static str>,
}

impl Model<'_> {
    /// The table by which the bridge finds everything else.
    fn table(&self, golden: &Interface) -> String {
        let Model { symbol, root, life, .. } = self;
        let (inputs, outputs) = (self.ports(golden, 'i', true), self.ports(golden, 'o', false));
        let ports = [inputs.as_slice(), outputs.as_slice()].concat().join(", ");
        let kept = match life {
            Life::InTable => format!("{}__Syms", self.prefix),
            Life::Plain | Life::Alone => (*root).to_owned(),
        };
        let place = format!("offsetof({root}, vlSymsp)");
        let (state, symbols) = if *life == Life::InTable { ("0", "0") } else { (&*place, &*place) };
        let (life, create) = self.life();
        let step = |name: &str| {
            if self.empty.contains(&name) {
                return "nullptr".to_owned();
            }
            format!("(salv::Step)&{root}___{name}")
        };
        let (settle, eval, entries) = match self.schedule {
            Some(schedule) => ("nullptr".into(), "nullptr".into(), schedule.entries(root)),
            None => (
                step("eval_settle"),
                step("eval"),
                "{nullptr, 0}, {nullptr, 0}, nullptr, 0, {nullptr, 0}".into(),
            ),
        };
        let (initial, first) = (step("eval_static"), step("eval_initial"));
        format!(
            "{life}static const salv::Port {symbol}_ports[] = {{{ports}}};\n\
             extern \"C\" __attribute__((visibility(\"default\"))) const salv::ModelTable {symbol} = {{\n\
             salv::MODEL_ABI, {}, {}, sizeof({kept}), alignof({kept}), {state}, {symbols}, {symbol}_ports,\n\
             {create}, {initial}, {first}, {settle}, {eval},\n{entries} }};\n",
            inputs.len(),
            outputs.len(),
        )
    }

    fn ports(&self, golden: &Interface, letter: char, inputs: bool) -> Vec<String> {
        let ports = golden.ports.iter().filter(|p| (p.direction == Direction::Input) == inputs);
        let place = |(i, p): (usize, &crate::design::Port)| {
            format!("{{offsetof({}, {letter}{i}), {}}}", self.root, p.width)
        };
        ports.enumerate().map(place).collect()
    }

    /// Functions that begin and end an object, and the table's entries for them.
    fn life(&self) -> (String, String) {
        let Model { symbol, prefix, root, life, .. } = self;
        let functions = match life {
            Life::Plain => {
                let reset = format!("(salv::Step)&{root}___ctor_var_reset");
                return (String::new(), format!("nullptr, {reset}, nullptr"));
            }
            Life::Alone => format!(
                "static void* {symbol}_create(void* memory) {{\n\
                 {root}* const root = new (memory) {root};\n\
                 root->vlSymsp = &salv_symbol_table;\n\
                 {root}___ctor_var_reset(root);\n\
                 return root; }}\n\
                 static void {symbol}_destroy(void* memory) {{ static_cast<{root}*>(memory)->~{root}(); }}\n"
            ),
            Life::InTable => {
                let table = format!("{prefix}__Syms");
                format!(
                    "static void* {symbol}_create(void* memory) {{\n\
                     return &(new (memory) {table}(Verilated::threadContextp(), \"salv\", nullptr))->TOP; }}\n\
                     static void {symbol}_destroy(void* memory) {{ static_cast<{table}*>(memory)->~{table}(); }}\n"
                )
            }
        };
        (functions, format!("{symbol}_create, nullptr, {symbol}_destroy"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "Sx___024root";

    #[test]
    fn functions_that_nothing_calls_are_dropped_with_their_declarations() {
        let text = "void Sx___024root___used(Sx___024root* vlSelf);\n\
                    void Sx___024root___unused(Sx___024root* vlSelf);\n\
                    void Sx___024root___unused(Sx___024root* vlSelf) {\n    f(vlSelf);\n}\n\
                    void Sx___024root___used(Sx___024root* vlSelf) {\n}\n\
                    void caller(Sx___024root* s) { Sx___024root___used(s); }\n";
        let kept = economical(text, ROOT);
        assert!(!kept.contains("unused"), "{kept}");
        assert_eq!(kept.matches("___used(").count(), 3, "{kept}");
    }

    #[test]
    fn functions_that_speak_of_no_model_are_shared() {
        let text = |root: &str| {
            format!(
                "bool {root}___any(const int &in) {{\n    return in;\n}}\n\
                 void {root}___eval({root}* s) {{\n    {root}___any(1);\n}}\n\
                 void go({root}* s) {{ {root}___eval(s); }}\n"
            )
        };
        let (one, two) = (
            economical(&text("Sx___024root"), "Sx___024root"),
            economical(&text("Sy___024root"), "Sy___024root"),
        );
        let guard = |text: &str| text.lines().next().map(str::to_owned);
        assert!(one.starts_with("#ifndef salv_"), "{one}");
        assert_eq!(guard(&one), guard(&two));
        assert!(!one.contains("___any"), "{one}");
    }

    #[test]
    fn debug_code_and_includes_are_left_out() {
        let mut text = String::new();
        let source = "#include \"x.h\"\n#ifdef VL_DEBUG\nvoid d();\n#endif  // VL_DEBUG\n\
                      // A comment.\nint x;\n    auto& vlSelfRef = std::ref(*vlSelf).get();\n";
        trim(source, &mut text);
        assert_eq!(text, "int x;\n    auto& vlSelfRef = *vlSelf;\n");
    }

    #[test]
    fn a_class_that_stands_alone_loses_its_constructors_and_shares_the_symbol_table() {
        let source = "class Sx__Syms;\nclass Sx___024root final {\n    CData i0;\n    Sx__Syms* vlSymsp;\n\
                      \x20   Sx___024root(Sx__Syms* symsp, const char* namep);\n    ~Sx___024root();\n\
                      \x20   VL_UNCOPYABLE(Sx___024root);\n};\n\
                      Sx___024root::Sx___024root(Sx__Syms* symsp, const char* namep)\n {\n    vlSymsp = symsp;\n}\n\
                      int after;\n";
        let kept = without_life(source, "Sx", "Sx___024root");
        let expected = "class Sx___024root final {\n    CData i0;\n    salv_symbols* vlSymsp;\n};\nint after;\n";
        assert_eq!(kept, expected);
    }

    #[test]
    fn aliases_and_zeros_that_do_nothing_are_left_out() {
        let text = "VL_ATTR_COLD void Sx___024root___ctor_var_reset(Sx___024root* vlSelf) {\n\
                    \x20   salv_symbols* const __restrict vlSymsp VL_ATTR_UNUSED = vlSelf->vlSymsp;\n\
                    \x20   auto& vlSelfRef = *vlSelf;\n\
                    \x20   vlSelf->q = RESET;\n    vlSelf->my_vlSelfRef.b = vlSelfRef.c;\n    vlSelf->p = 0;\n\
                    \x20   for (int __Vi0 = 0; __Vi0 < 4; ++__Vi0) {\n        vlSelf->m[__Vi0] = RESET;\n    }\n\
                    \x20   for (int __Vi0 = 0; __Vi0 < 4; ++__Vi0) {\n        vlSelf->t[__Vi0] = 0;\n    }\n}\n";
        let kept = concise(text, ROOT, "salv_symbols", Life::Plain);
        let expected = "void Sx___024root___ctor_var_reset(Sx___024root* vlSelf) {\n    vlSelf->q = RESET;\n\
                        \x20   vlSelf->my_vlSelfRef.b = vlSelf->c;\n\
                        \x20   for (int __Vi0 = 0; __Vi0 < 4; ++__Vi0) {\n        vlSelf->m[__Vi0] = RESET;\n    }\n}\n";
        assert_eq!(kept, expected);
        let zeros = concise(text, ROOT, "salv_symbols", Life::Alone);
        assert!(
            zeros.contains("vlSelf->p = 0;"),
            "not in memory that a constructor may have filled"
        );
    }

    #[test]
    fn a_text_in_quotation_marks_stays_as_it_is() {
        let text = "void Sx___024root___f(Sx___024root* vlSelf) {\n    auto& vlSelfRef = *vlSelf;\n\
                    \x20   say(\"vlSelfRef.a\", vlSelfRef.a);\n}\n";
        assert_eq!(concise(text, ROOT, "salv_symbols", Life::Plain), text);
    }

    #[test]
    fn a_class_of_numbers_needs_no_constructor() {
        let class = |member: &str| {
            format!(
                "class alignas(VL_CACHE_LINE_BYTES) {ROOT} final {{\n  public:\n    VL_IN8(i0,0,0);\n    {member}\n    salv_symbols* vlSymsp;\n}};\n"
            )
        };
        for member in [
            "CData/*0:0*/ a;",
            "VlUnpacked<VlUnpacked<SData/*9:0*/, 2>, 4> m;",
            "VlWide<3>/*95:0*/ w;",
        ] {
            assert!(is_plain(&class(member), ROOT), "{member}");
        }
        for member in
            ["std::string s;", "VlUnpacked<std::string, 4> s;", "VlQueue<IData/*31:0*/> q;"]
        {
            assert!(!is_plain(&class(member), ROOT), "{member}");
        }
    }
}
