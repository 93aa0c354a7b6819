//! What is taken for Verilog in a completion, and the way back to where it stood.

use salv::candidate::{self, COMPLETION_BYTES_MAX, Code, NoCode, extract_code};

use crate::corpus::shared_data;

const GOOD: &str = "module top(input a, output y);\n  assign y = a;\nendmodule";
const HEAD: &str = "Invert the input.\n\nmodule top(\n  input a,\n  output y\n);\n";

/// Extracts with the module name `top`, and checks that the way back holds.
fn extract(completion: &str, prompt: &str) -> Result<Code, NoCode> {
    let code = extract_code(completion, prompt, "top")?;
    for piece in &code.pieces {
        let (text, origin) =
            (&code.text[piece.text.clone()], &completion[piece.completion.clone()]);
        let same = text.len() == origin.len()
            && text.chars().zip(origin.chars()).all(|(to, from)| to == from || from.is_control());
        let stands_for = text.chars().count() == 1;
        assert!(same || stands_for, "{text:?} does not stand for {origin:?}");
    }
    assert!(code.pieces.windows(2).all(|pair| pair[0].text.end <= pair[1].text.start));
    Ok(code)
}

fn check_after(prompt: &str, completion: &str, expect: &str) {
    let code =
        extract(completion, prompt).unwrap_or_else(|error| panic!("{completion:?}: {error}"));
    assert_eq!(code.text.trim(), expect.trim(), "in {completion:?}");
}

fn check(completion: &str, expect: &str) {
    check_after("Write a module named top.", completion, expect);
}

fn refuse(completion: &str, expect: NoCode) {
    assert_eq!(extract(completion, HEAD), Err(expect), "in {completion:?}");
}

#[test]
fn plain_code_comes_back_as_it_is() {
    for text in [
        GOOD,
        "// A comment.\n`timescale 1ns / 1ps\n`default_nettype none\nmodule top(input a);\nendmodule : top\n`default_nettype wire\n// The end.\n",
        "module helper(input a);\nendmodule\nmodule top(input a);\n  helper h(a);\nendmodule\n",
        "package p;\n  typedef enum {A, B} state;\nendpackage\n(* keep *) module top import p::*; (input a);\nendmodule",
        // A nested module ends before the one around it does.
        "module top(input a, output y);\n  module inner(input a, output y);\n    assign y = a;\n  endmodule\n  inner i(a, y);\nendmodule\n",
        // The parser is to see what is wrong with these.
        "module top(input a, output y);\n  assign y = a;\n",
        "module top(input a, output y;\n  assign y = a;\nendmodule",
        "module top(input a);\nendmodule\nendmodule",
        "module (input a);\nendmodule",
        "module top(input a);\nendmodule\nassign y = a;",
        "function f(input a);\n  f = a;\nendfunction\nmodule top(input a);\nendmodule",
    ] {
        check(text, text);
    }
}

#[test]
fn words_in_comments_and_strings_are_no_code() {
    let tricky = "module top(output y);\n  // endmodule, says the comment; ``` too\n  initial $display(\"endmodule\");\n  wire \\module ;\nendmodule";
    check(&tricky.replace(" ``` too", ""), &tricky.replace(" ``` too", ""));
    check(
        &format!("// module wrong(\n/* module wrong2(); endmodule */\n{GOOD}"),
        &format!("// module wrong(\n/* module wrong2(); endmodule */\n{GOOD}"),
    );
}

#[test]
fn fences_open_and_close_as_models_write_them() {
    for completion in [
        format!("Sure!\n\n```verilog\n{GOOD}\n```\nThis module hands a through."),
        format!("```systemverilog\n{GOOD}\n```"),
        format!("```SV\n{GOOD}\n```"),
        format!("```\n{GOOD}\n```"),
        format!("~~~v\n{GOOD}\n~~~\n"),
        format!("````verilog\n{GOOD}\n````"),
        format!("  ```{{.verilog}}\n{GOOD}\n  ```"),
        format!("```verilog {GOOD}```"),
        format!("```{GOOD}```"),
        // Never closed, with and without prose after the code.
        format!("```verilog\n{GOOD}"),
        format!("```verilog\n{GOOD}\n\nThis module hands a through."),
        // Never opened.
        format!("{GOOD}\n```\nThis module hands a through."),
        format!("Here is the module you asked for:\n{GOOD}\n```"),
        // Other languages, before and after.
        format!("```bash\niverilog top.v\n```\n```verilog\n{GOOD}\n```\n```text\na y\n0 0\n```"),
        format!("```python\nprint('module')\n```\n{GOOD}\n"),
    ] {
        check(&completion, GOOD);
    }
}

#[test]
fn of_several_blocks_the_last_with_the_name_counts() {
    let draft = GOOD.replace("= a", "= ~a");
    let bench = "module tb;\n  top dut(.a(1'b0), .y());\nendmodule";
    check(&format!("```verilog\n{draft}\n```\nNo, wait.\n```verilog\n{GOOD}\n```"), GOOD);
    check(&format!("```verilog\n{GOOD}\n```\nTest it:\n```verilog\n{bench}\n```"), GOOD);
    check(&format!("```verilog\n{bench}\n```"), bench);
    // One outside of fences counts before one of another name inside.
    check(&format!("{GOOD}\n\nTest it with this:\n```verilog\n{bench}\n```"), GOOD);
}

#[test]
fn helpers_come_from_the_other_blocks() {
    let helper = "module helper(input a, output y);\n  assign y = a;\nendmodule";
    let leaf = "package widths;\n  parameter W = 1;\nendpackage";
    let top = "module top(input a, output y);\n  helper h(.a(a), .y(y));\n  wire [widths::W-1:0] w;\nendmodule";
    let unused = "module unused(input a);\nendmodule";
    let prose = "Now the next part of it:";
    check(
        &format!(
            "```v\n{leaf}\n```\n```v\n{unused}\n```\n{prose}\n```v\n{helper}\n```\n{prose}\n```v\n{top}\n```"
        ),
        &format!("{leaf}\n{helper}\n\n{top}"),
    );
    check(
        &format!("```v\n{top}\nendmodule\n```\n```v\n{helper}\n```"),
        &format!("{helper}\n\n{top}\nendmodule"),
    );
    // A helper of the answer's own stays the only one.
    check(
        &format!("```v\n{helper}\n```\n```v\n{helper}\n{GOOD}\n```"),
        &format!("{helper}\n{GOOD}"),
    );
}

#[test]
fn prose_around_bare_code_is_left_out() {
    for completion in [
        format!(
            "Here is a module that hands its input through:\n\n{GOOD}\n\nThe output follows the input."
        ),
        format!("### Response:\n{GOOD}\n### End"),
        format!("<answer>\n{GOOD}\n</answer>"),
        format!("<|im_start|>assistant\n{GOOD}\n<|im_end|>"),
        format!("module code:\n\n------\n{GOOD}"),
        format!("The code: {}", GOOD),
        format!(
            "{GOOD}\n\nIn this module top (see above) the output \"y\" isn't registered; /* it follows a."
        ),
    ] {
        check(&completion, GOOD);
    }
    let two =
        format!("module helper(input a);\nendmodule\n\nThe second module uses it:\n\n{GOOD}\n");
    check(&two, &format!("module helper(input a);\nendmodule\n{GOOD}"));
    // A test bench that was cut off does not spoil a finished answer.
    check(&format!("{GOOD}\n\nmodule tb(\n  initial begin"), GOOD);
    // But an answer that was cut off is the answer.
    let cut = "module helper(input a);\nendmodule\n\nmodule top(\n  input a";
    check(cut, cut);
}

#[test]
fn reasoning_is_no_answer() {
    let draft = GOOD.replace("= a", "= ~a");
    check(
        &format!("<think>\nPerhaps\n```verilog\n{draft}\n```\n</think>\n```verilog\n{GOOD}\n```"),
        GOOD,
    );
    check(&format!("Perhaps\n{draft}\n</think>\n\n{GOOD}"), GOOD);
    check(&format!("<think>Let me see.</think><answer>\n```verilog\n{GOOD}\n```\n</answer>"), GOOD);
    check(&format!("{GOOD}\n<think>Was that right? module top(wrong"), GOOD);
    // Never closed: what there is.
    check(&format!("<think>\nI write\n```verilog\n{GOOD}\n```\nand that is"), GOOD);
    refuse(&format!("<think>\n{GOOD}\n</think>\nI cannot do it."), NoCode::NoVerilog);
}

#[test]
fn answers_stand_between_marks() {
    check(&format!("[BEGIN]\n{GOOD}\n[DONE]"), GOOD);
    check(
        &format!(
            "{GOOD}\n[DONE]\n\nQuestion: write another.\n[BEGIN]\nmodule top();\nendmodule\n[DONE]"
        ),
        GOOD,
    );
    check(
        &format!("I put it between [BEGIN] and [DONE].\n\n[BEGIN]\n```verilog\n{GOOD}\n```"),
        GOOD,
    );
    let comment = format!("{GOOD}\n// [DONE]\n");
    check(&comment, &comment);
}

#[test]
fn json_is_unwrapped() {
    let wrapped = |text: &str| serde_json::json!({ "note": "a \"module\" of mine", "code": text, "ok": true });
    check(&wrapped(GOOD).to_string(), GOOD);
    check(&format!("```json\n{:#}\n```", wrapped(GOOD)), GOOD);
    check(&wrapped(&format!("```verilog\n{GOOD}\n```")).to_string(), GOOD);
    check(
        "{\"code\": \"module top();\\r\\n // \\u00e9 \\ud83d\\ude00 \\/\\nendmodule\"}",
        "module top();\n // é 😀 /\nendmodule",
    );
}

#[test]
fn bodies_continue_the_head_in_the_prompt() {
    let head = "module top(\n  input a,\n  output y\n);\n";
    let body = "  assign y = ~a;\n";
    let joined = format!("{head}{body}endmodule");
    check_after(HEAD, &format!("{body}endmodule\n"), &joined);
    check_after(HEAD, body, &format!("{head}{body}\nendmodule"));
    check_after(
        HEAD,
        &format!("```verilog\n{body}endmodule\n```"),
        &joined.replace(");\n", ");\n\n"),
    );
    check_after(
        HEAD,
        &format!("The body is\n\n{body}endmodule\n\nIt inverts the input."),
        &joined.replace("\n  assign", "\nassign"),
    );
    check_after(
        HEAD,
        "Sure!\nassign y = ~a;\n\nThis is an inverter.",
        &format!("{head}assign y = ~a;\nendmodule"),
    );
    // Helpers after the body.
    let helper = "module inv(input a, output y);\nendmodule";
    check_after(
        HEAD,
        &format!("  inv i(a, y);\nendmodule\n{helper}"),
        &format!("{head}  inv i(a, y);\nendmodule\n{helper}"),
    );
    // A whole module stands for itself, whatever its name.
    check_after(HEAD, GOOD, GOOD);
    check_after(HEAD, &GOOD.replace("top", "other"), &GOOD.replace("top", "other"));
    // Heads with something after them.
    let with_wire = "module top(input a, output y);\nwire b;\n// Go on here.";
    check_after(
        with_wire,
        "assign b = a;\nendmodule",
        &format!("{with_wire}\nassign b = a;\nendmodule"),
    );
    let fenced = format!("Complete this:\n```verilog\n{head}```\nAnswer with code only.");
    check_after(
        &fenced,
        "assign y = a;\nendmodule",
        &format!("{}\nassign y = a;\nendmodule", head.trim()),
    );
    check_after(
        &HEAD.replace('\n', "\r\n"),
        "assign y = a;\nendmodule",
        &format!("{head}assign y = a;\nendmodule"),
    );
    // Without a head, the parser says what is missing.
    check("assign y = ~a;\nendmodule", "assign y = ~a;\nendmodule");
}

#[test]
fn strange_bytes_do_no_harm() {
    check("\u{feff}module top();\r\n// x\r\nendmodule\r\n", "module top();\n// x\nendmodule");
    // A comment ends at a lone CR.
    check("module top();// x\rwire w;\rendmodule", "module top();// x\nwire w;\nendmodule");
    check("module top();\0\u{1b} wire w;\u{7f}endmodule", "module top();   wire w; endmodule");
    // Typographic quotes and replacement characters are the model's own.
    check(
        "module top(); initial $display(“\u{fffd}”);\nendmodule",
        "module top(); initial $display(“\u{fffd}”);\nendmodule",
    );
}

#[test]
fn what_is_no_code_is_refused() {
    refuse("", NoCode::Empty);
    refuse(" \r\n\t\u{feff}\0", NoCode::Empty);
    refuse(
        "The module only passes its input on. Please complete the code above.",
        NoCode::NoVerilog,
    );
    refuse("```python\nprint(1)\n```", NoCode::NoVerilog);
    refuse("|-|_|-|_|-|_", NoCode::NoVerilog);
    let long = "x".repeat(COMPLETION_BYTES_MAX + 1);
    refuse(&long, NoCode::TooLong { bytes: COMPLETION_BYTES_MAX + 1 });
}

#[test]
fn offsets_lead_back() {
    let completion = "So:\r\n```verilog\r\nmodule top();\r\n  wire w;\r\nendmodule\r\n```";
    let code = extract(completion, "").expect("code");
    let at = code.text.find("wire").expect("the wire");
    assert_eq!(code.in_completion(at), completion.find("wire"));
    // Over a line end the way back holds both of its bytes and stays one range.
    let start = code.text.find("module").expect("module");
    let end = code.text.find("endmodule").expect("endmodule");
    let from = completion.find("module").expect("module")
        ..completion.find("endmodule").expect("endmodule");
    assert_eq!(code.spans_in_completion(start..end), [from]);

    // What comes from the prompt stands nowhere in the completion.
    let code = extract("assign y = ~a;", HEAD).expect("code");
    assert_eq!(code.in_completion(0), None);
    let whole = 0.."assign y = ~a;".len();
    assert_eq!(code.spans_in_completion(0..code.text.len()), [whole]);

    // Inside of JSON, an escape is taken or left as a whole.
    let completion = r#"{"code": "module top();\n  wire w;\nendmodule"}"#;
    let code = extract(completion, "").expect("code");
    let line_end = code.text.find('\n').expect("a line end");
    assert_eq!(
        code.spans_in_completion(line_end..line_end + 1),
        [completion.find(r"\n").map(|at| at..at + 2).expect("an escape")]
    );
}

#[test]
fn hostile_texts_take_linear_time() {
    // A megabyte of any of these takes less than half a second; a search that looks back or ahead for each
    // of them (one did, in the list of open modules) takes from 20 seconds to hours.
    for piece in [
        "[DONE]",
        "[BEGIN]",
        "```",
        "```v\n",
        "~~~ ",
        "\n~~~",
        "module m(",
        "\nmodule m;",
        "endmodule ",
        "<think>",
        "</think>",
        "\\",
        "\"",
        "/*",
        "'b ",
        "a b (",
        "a #(",
        "(*",
        "{\"",
        "[",
        "\r",
        "wire ",
        "\nwire w;",
        "package p;\n",
        "\nmodule m;endpackage ",
        "`define x\n",
        "m m ",
    ] {
        let text = piece.repeat(COMPLETION_BYTES_MAX / piece.len());
        let start = std::time::Instant::now();
        let _ = extract_code(&text, HEAD, "top");
        assert!(start.elapsed().as_secs() < 10, "{piece:?} took {:?}", start.elapsed());
    }
}

#[test]
fn any_cut_of_any_text_is_survived() {
    let text = format!(
        "é<think>“x”</think>[BEGIN]```verilog\r\n`timescale 1ns/1ps\n{GOOD} : top\n```~~~\n{{\"a\": \"module\\u00e9\"}}\u{0}\\x \""
    );
    let cuts: Vec<usize> = (0..=text.len()).filter(|&at| text.is_char_boundary(at)).collect();
    for (index, &start) in cuts.iter().enumerate() {
        for &end in &cuts[index..] {
            let _ = extract(&text[start..end], HEAD);
        }
    }
}

#[test]
fn rows_name_themselves() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("candidates.jsonl");
    let rows = "{\"problem\": \"p\", \"completion\": \"x\", \"more\": [1]}\n\n{\"problem\": \"p\", \"id\": 7, \"completion\": \"y\"}\n{\"problem\": \"p\", \"completion\": \"z\"}\n{\"problem\": \"p\", \"id\": \"a\", \"completion\": \"\"}\n";
    std::fs::write(&path, rows).expect("a file");
    let ids: Vec<String> =
        candidate::read(&path).expect("open").map(|row| row.expect("a row").id).collect();
    assert_eq!(ids, ["0", "7", "2", "a"]);
}

/// On 32,592 real completions: nothing panics, and what Icarus could parse comes back unchanged.
#[test]
fn real_completions_come_back() {
    #[derive(serde::Deserialize)]
    struct Row {
        problem: String,
        completion: String,
        iverilog: String,
    }
    let Some(data) = shared_data() else { return };
    let problems = salv::problem::load(&data.join("problems.jsonl")).expect("problems");
    let problems: std::collections::HashMap<_, _> =
        problems.iter().map(|p| (p.problem.as_str(), p)).collect();
    for (name, without_code_max) in [("candidates.jsonl", 1), ("candidates_more.jsonl.gz", 75)] {
        let mut without_code = 0;
        for row in salv::record::read::<Row>(&data.join(name)).expect("open") {
            let row = row.expect("a row").value;
            let problem = problems[row.problem.as_str()];
            let code = extract_code(&row.completion, &problem.prompt, &problem.top);
            without_code += usize::from(code.is_err());
            // A completion of nothing but comments is no error to Icarus, which then misses the top module.
            let only_comments = row.iverilog == "no_top" && code.is_err();
            if row.iverilog != "syntax" && !only_comments {
                let code = code.unwrap_or_else(|error| panic!("{}: {error}", row.problem));
                assert_eq!(
                    code.text.trim(),
                    row.completion.replace("\r\n", "\n").trim(),
                    "{}",
                    row.problem
                );
            }
        }
        assert!(without_code <= without_code_max, "{name}: {without_code} rows without code");
    }
}
