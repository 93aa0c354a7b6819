//! What Verilator wrote for one module, cut to what is needed: a member of a unit.
//!
//! In: the folder of one verilation. Out: C++ text that stands for itself. Most of what Verilator writes is
//! the same for every module and costs the compiler several times what the module's own logic does (8 ms of
//! 13 ms, measured), so it is left out or shared: the public class, the symbol table, constructors, debug
//! code, functions that nothing calls, and helpers that are the same in all members.
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
pub const REVISION: &str = "5";

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
    let symbol = symbol(prefix);
    let _ = write!(text, "{}", table(&symbol, prefix, &root, golden, alone));
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
    let mut rest = text;
    while !rest.is_empty() {
        let line = rest.lines().next().unwrap_or_default();
        let name = head(line, root);
        let length = if name.is_some() && line.ends_with('{') {
            rest.find("\n}\n").map_or(rest.len(), |at| at + 3)
        } else {
            rest.len().min(line.len() + 1)
        };
        let (item, after) = rest.split_at(length);
        rest = after;
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

/// The name of the function that `line` declares or begins to define, on one line as Verilator writes it.
fn head<'a>(line: &'a str, root: &str) -> Option<&'a str> {
    let line = line.strip_prefix("VL_ATTR_COLD ").unwrap_or(line);
    let rest = line.strip_prefix("void ").or_else(|| line.strip_prefix("bool "))?;
    let whole = rest.ends_with(';') || rest.ends_with('{');
    let name = identifier(rest);
    let function = rest[name.len()..].starts_with('(') && name.starts_with(root);
    (function && whole).then_some(name)
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The table by which the bridge finds everything else.
fn table(symbol: &str, prefix: &str, root: &str, golden: &Interface, alone: bool) -> String {
    let places = |letter: char, inputs: bool| {
        let widths = golden.ports.iter().filter(|p| (p.direction == Direction::Input) == inputs);
        let place = |(i, p): (usize, &crate::design::Port)| {
            format!("{{offsetof({root}, {letter}{i}), {}}}", p.width)
        };
        widths.enumerate().map(place).collect::<Vec<String>>()
    };
    let (inputs, outputs) = (places('i', true), places('o', false));
    let ports = [inputs.as_slice(), outputs.as_slice()].concat().join(", ");
    let life = if alone { life_alone(symbol, root) } else { life_with_table(symbol, prefix) };
    let kept = if alone { root.to_owned() } else { format!("{prefix}__Syms") };
    let state = if alone { format!("offsetof({root}, vlSymsp)") } else { "0".into() };
    let steps = ["eval_static", "eval_initial", "eval_settle", "eval"];
    let heads: String =
        steps.iter().map(|step| format!("void {root}___{step}({root}*);\n")).collect();
    let steps = steps.map(|step| format!("(salv::Step)&{root}___{step}")).join(", ");
    format!(
        "{heads}{life}static const salv::Port {symbol}_ports[] = {{{ports}}};\n\
         extern \"C\" __attribute__((visibility(\"default\"))) const salv::ModelTable {symbol} = {{\n\
         salv::MODEL_ABI, {}, {}, sizeof({kept}), alignof({kept}), {state}, {symbol}_ports,\n\
         {symbol}_create, {symbol}_destroy, {steps} }};\n",
        inputs.len(),
        outputs.len(),
    )
}

/// A root object by itself; members such as strings have constructors of their own.
fn life_alone(symbol: &str, root: &str) -> String {
    format!(
        "void {root}___ctor_var_reset({root}*);\n\
         static void* {symbol}_create(void* memory) {{\n\
         {root}* const root = new (memory) {root};\n\
         root->vlSymsp = &salv_symbol_table;\n\
         {root}___ctor_var_reset(root);\n\
         return root; }}\n\
         static void {symbol}_destroy(void* memory) {{ static_cast<{root}*>(memory)->~{root}(); }}\n"
    )
}

/// A root object inside the symbol table that Verilator wrote.
fn life_with_table(symbol: &str, prefix: &str) -> String {
    let table = format!("{prefix}__Syms");
    format!(
        "static void* {symbol}_create(void* memory) {{\n\
         return &(new (memory) {table}(Verilated::threadContextp(), \"salv\", nullptr))->TOP; }}\n\
         static void {symbol}_destroy(void* memory) {{ static_cast<{table}*>(memory)->~{table}(); }}\n"
    )
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
}
