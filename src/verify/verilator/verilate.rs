//! One module to C++: a wrapper with fixed port names, Verilator, and the part of its output that is
//! needed.
//!
//! Each module is verilated by itself. One verilation of many modules shares some boilerplate, but then
//! they share a scheduler too: one that oscillates or never ends takes the others with it, and helper
//! modules of the same name have to be renamed. With the boilerplate cut here the cost is the same
//! (about 25 ms of CPU a module for both, most of it in the C++ compiler), no name is ever changed, and
//! what one module does cannot reach another.
//!
//! What is hard-coded about Verilator 5.48:
//! - `--flatten` leaves one class, `<prefix>___024root`, unless packages or classes hold variables;
//! - its files are `<prefix>*.h` and `<prefix>*.cpp`; `<prefix>.cpp` is the public class, not needed here;
//! - functions that run a model are `<prefix>___024root___eval_static`, `_eval_initial`, `_eval_settle`
//!   and `_eval`;
//! - the members before `vlSymsp` are the state.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::design::{Direction, Interface, Port};
use crate::verilog::{Kind, Token, lex};

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
pub const REVISION: &str = "4";

/// The symbol of the table of the module with that prefix.
pub fn symbol(prefix: &str) -> String {
    format!("salv_{prefix}")
}

/// The first error in Verilator's messages, without the path of `file`.
pub fn refusal(messages: &str, file: &str) -> String {
    let first = messages.lines().find(|line| line.starts_with("%Error"));
    let line = first.unwrap_or("it gave no reason").replace(&format!("{file}:"), "line ");
    format!("verilator refuses it: {}", line.trim_start_matches("%Error: ").trim())
}

/// Prefix of a module's C++ names: its content decides it, never a position in a batch.
pub fn prefix(source: &str, golden: &Interface, top: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(wrapper(golden, top, "salv").as_bytes());
    hasher.update(source.as_bytes());
    format!("S{}", &hasher.finalize().to_hex()[..20])
}

/// The Verilog text given to Verilator: the module and a wrapper around it named as `prefix`.
///
/// The wrapper has the golden interface with the ports `i0, i1, …` and `o0, o1, …`, so that no port of a
/// candidate can collide with a name of ours or of C++, and extra outputs stay open.
pub fn text(source: &str, golden: &Interface, top: &str, prefix: &str) -> String {
    // The line break ends a comment or a directive that the source leaves open.
    without_reserved(format!("{source}\n{}", wrapper(golden, top, prefix)))
}

/// The one name that Verilator keeps for itself: no module may have it.
const RESERVED: &str = "TOP";

/// Writes another word, which the text does not hold, for each identifier [`RESERVED`], if a module has it.
fn without_reserved(text: String) -> String {
    let named = |token: &Token| {
        let word = &text[token.span.clone()];
        token.kind == Kind::Word && word == RESERVED
            || token.kind == Kind::EscapedIdentifier && word.strip_prefix('\\') == Some(RESERVED)
    };
    let tokens: Vec<Token> = lex(&text).collect();
    let plain = || tokens.iter().filter(|token| !token.kind.is_trivia());
    let is_head = |(head, name): (&Token, &Token)| text[head.span.clone()].ends_with("module") && named(name);
    if !plain().zip(plain().skip(1)).any(is_head) {
        return text;
    }
    let mut other = format!("{RESERVED}_");
    while text.contains(&other) {
        other.push('_');
    }
    // The blank that ends an escaped identifier is not part of it.
    tokens.iter().map(|token| if named(token) { &other } else { &text[token.span.clone()] }).collect()
}

/// Arguments of Verilator for one module, the files last.
pub fn arguments(prefix: &str, folder: &Path, file: &Path) -> Vec<String> {
    let mut arguments: Vec<String> = ARGUMENTS.iter().map(|&a| a.into()).collect();
    arguments.extend([
        "--prefix".into(),
        prefix.into(),
        "--top-module".into(),
        prefix.into(),
        "--Mdir".into(),
        folder.display().to_string(),
        file.display().to_string(),
    ]);
    arguments
}

/// Warnings are off, for slang has judged the text; those that are errors by default and that Icarus
/// accepts are off by name.
pub const ARGUMENTS: &[&str] = &[
    "--cc",
    "--no-timing",
    "--no-assert",
    "--no-std",
    "--flatten",
    "--quiet",
    "--x-initial",
    "unique",
    "--x-assign",
    "unique",
    "--converge-limit",
    "1000",
    "-Wno-fatal",
    "-Wno-lint",
    "-Wno-style",
    "-Wno-BLKANDNBLK",
    "-Wno-ENUMVALUE",
    "-Wno-MULTIDRIVEN",
    "-Wno-TIMESCALEMOD",
];

fn wrapper(golden: &Interface, top: &str, name: &str) -> String {
    let mut ports = Vec::new();
    let mut connections = Vec::new();
    let (mut inputs, mut outputs) = (0, 0);
    for port in &golden.ports {
        let (word, local) = match port.direction {
            Direction::Input => ("input", numbered('i', &mut inputs)),
            _ => ("output", numbered('o', &mut outputs)),
        };
        ports.push(format!("{word} wire {}{local}", range(port)));
        connections.push(format!(".\\{} ({local})", port.name));
    }
    let (ports, connections) = (ports.join(", "), connections.join(", "));
    format!("module {name}({ports});\n\\{top} u({connections});\nendmodule\n")
}

fn numbered(letter: char, count: &mut u32) -> String {
    *count += 1;
    format!("{letter}{}", *count - 1)
}

fn range(port: &Port) -> String {
    if port.width == 1 {
        String::new()
    } else {
        format!("[{}:0] ", port.width - 1)
    }
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
    let alone = files
        .iter()
        .all(|(name, _)| name.starts_with(&root) || name.starts_with(&constants) || is_public(name, prefix));
    // Functions that are not inlined hand the symbol table on by its name, so it keeps its declarations.
    let named = files.iter().any(|(_, content)| content.contains("* __restrict vlSymsp"));
    let mut text = String::new();
    if alone {
        // The symbol table has nothing but the root: four lines of ours replace two files.
        let _ = writeln!(text, "struct {prefix}__Syms;");
    }
    for (name, content) in &files {
        if name == &format!("{prefix}.cpp") || alone && is_public(name, prefix) {
            continue;
        }
        trim(content, alone && !named, &mut text);
        if alone && name == &format!("{root}.h") {
            let _ = write!(text, "{}", symbols(prefix, &root));
        }
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
    let error = |path: &Path, source| HarvestError::Read {
        path: path.display().to_string(),
        source,
    };
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
/// header has them), debug code, the detour by `std::ref`, which instantiates templates, and, where it is
/// `spare`, the local name of the symbol table.
fn trim(content: &str, spare: bool, text: &mut String) {
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
            || spare && start.contains("* const __restrict vlSymsp VL_ATTR_UNUSED = ")
        {
        } else if line.contains("= std::ref(*vlSelf).get();") {
            text.push_str(&line.replace("std::ref(*vlSelf).get()", "*vlSelf"));
            text.push('\n');
        } else {
            // Without the declaration above, what it named is spelled out.
            let line = if spare && start.contains("vlSymsp->") {
                line.replace("vlSelf->vlSymsp->", "vlSymsp->")
                    .replace("vlSelfRef.vlSymsp->", "vlSymsp->")
                    .replace("vlSymsp->", "vlSelf->vlSymsp->")
            } else {
                line.into()
            };
            text.push_str(&line);
            text.push('\n');
        }
    }
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

fn symbols(prefix: &str, root: &str) -> String {
    format!(
        "struct {prefix}__Syms {{\n\
         VerilatedContext* _vm_contextp__;\n\
         {root} TOP;\n\
         {prefix}__Syms(VerilatedContext* context, const char* name, void*)\n\
         : _vm_contextp__{{context}}, TOP{{this, name}} {{}}\n\
         }};\n"
    )
}

/// The table by which the bridge finds everything else.
fn table(symbol: &str, prefix: &str, root: &str, golden: &Interface, alone: bool) -> String {
    let places = |letter: char, inputs: bool| {
        let widths = golden.ports.iter().filter(|p| (p.direction == Direction::Input) == inputs);
        let places: Vec<String> = widths
            .enumerate()
            .map(|(i, p)| format!("{{offsetof({root}, {letter}{i}), {}}}", p.width))
            .collect();
        (places.len(), places.join(", "))
    };
    let (inputs, input_places) = places('i', true);
    let (outputs, output_places) = places('o', false);
    let state = if alone { format!("offsetof({root}, vlSymsp)") } else { "0".into() };
    let syms = format!("{prefix}__Syms");
    let mut text = String::new();
    for step in ["eval_static", "eval_initial", "eval_settle", "eval"] {
        let _ = writeln!(text, "void {root}___{step}({root}*);");
    }
    let _ = write!(
        text,
        "namespace {{ namespace n{symbol} {{\n\
         const salv::Port inputs[] = {{{input_places}{}}};\n\
         const salv::Port outputs[] = {{{output_places}}};\n\
         void* create(void* memory) {{ return &(new (memory) {syms}(Verilated::threadContextp(), \"salv\", nullptr))->TOP; }}\n\
         void destroy(void* memory) {{ static_cast<{syms}*>(memory)->~{syms}(); }}\n\
         void start(void* root) {{\n\
         auto* const self = static_cast<{root}*>(root);\n\
         {root}___eval_static(self); {root}___eval_initial(self); {root}___eval_settle(self); }}\n\
         void eval(void* root) {{ {root}___eval(static_cast<{root}*>(root)); }}\n\
         }} }}\n\
         extern \"C\" __attribute__((visibility(\"default\"))) const salv::ModelTable {symbol} = {{\n\
         salv::MODEL_ABI, {inputs}, {outputs}, sizeof({syms}), alignof({syms}), {state},\n\
         n{symbol}::inputs, n{symbol}::outputs, n{symbol}::create, n{symbol}::destroy,\n\
         n{symbol}::start, n{symbol}::eval }};\n",
        // An array of no element is not C++.
        if inputs == 0 { "{0, 0}" } else { "" },
    );
    text
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
        let (one, two) = (economical(&text("Sx___024root"), "Sx___024root"), economical(&text("Sy___024root"), "Sy___024root"));
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
        trim(source, true, &mut text);
        assert_eq!(text, "int x;\n    auto& vlSelfRef = *vlSelf;\n");
    }

    #[test]
    fn a_module_named_as_verilator_names_its_own_is_renamed() {
        let text = "module TOP(input a); endmodule // TOP\nmodule m(input TOP_); \\TOP \\TOP (TOP_); endmodule\n";
        let other = "module TOP__(input a); endmodule // TOP\nmodule m(input TOP_); TOP__ TOP__ (TOP_); endmodule\n";
        assert_eq!(without_reserved(text.into()), other);
        let text = "module m(input TOP); endmodule\n";
        assert_eq!(without_reserved(text.into()), text);
    }

    #[test]
    fn a_symbol_table_that_is_handed_on_keeps_its_declaration() {
        let source = "    S__Syms* const __restrict vlSymsp VL_ATTR_UNUSED = vlSelf->vlSymsp;\n    f(vlSymsp);\n";
        let mut text = String::new();
        trim(source, false, &mut text);
        assert_eq!(text, source);
    }

    #[test]
    fn a_refusal_names_the_line_and_not_our_file() {
        let messages = "%Warning-X: /tmp/m.sv:1:1: w\n%Error: /tmp/m.sv:6:12: Duplicate declaration\n";
        let text = refusal(messages, "/tmp/m.sv");
        assert_eq!(text, "verilator refuses it: line 6:12: Duplicate declaration");
    }
}
