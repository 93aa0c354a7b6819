//! `design`: interfaces, roles, constants, refusals, and the text for a two-state simulator.

use salv::design::{Bits, Design, Direction, Level, Reason, Role, elaborate};

fn accepted(source: &str) -> Design {
    elaborate(source, None).unwrap_or_else(|refusal| panic!("{refusal:?}\n{source}"))
}

/// The role of each input, by name.
fn check_roles(source: &str, expect: &[(&str, Role)]) {
    let interface = accepted(source).interface;
    for (name, role) in expect {
        let at =
            interface.ports.iter().position(|port| port.name == *name).expect("the port is there");
        assert_eq!(interface.roles[at], *role, "{name} in\n{source}");
    }
}

fn check_refusal(source: &str, reason: Reason, part: &str) {
    match elaborate(source, Some("m")) {
        Ok(_) => panic!("accepted:\n{source}"),
        Err(refusal) => {
            assert_eq!(refusal.reason, reason, "{refusal:?}\n{source}");
            assert!(refusal.message.contains(part), "{refusal:?}\n{source}");
            assert!(!refusal.message.contains('\n'), "{refusal:?}");
        }
    }
}

fn check_rewrite(body: &str, expect: &str) {
    let source = format!(
        "module m(input clk, input [7:0] a, b, input signed [7:0] s, t, input [3:0] i, input [99:0] v,\n\
         output reg [15:0] q, output [15:0] y, output signed [15:0] z);\nreg [7:0] w [0:9]; integer k;\n{body}\nendmodule\n"
    );
    let design = accepted(&source);
    assert!(design.source.contains(expect), "{expect} not in\n{}", design.source);
    assert_eq!(
        design.source.lines().count(),
        source.lines().count(),
        "lines moved in\n{}",
        design.source
    );
    let again = elaborate(&design.source, Some("m")).expect("the edited text elaborates");
    assert_eq!(again.interface.ports, design.interface.ports);
    assert_eq!(again.interface.roles, design.interface.roles);
}

const RISING: Role = Role::Clock { rising: true, falling: false };
const ASYNC_LOW: Role = Role::AsyncReset { active: Level::Low };
const ASYNC_HIGH: Role = Role::AsyncReset { active: Level::High };
const SYNC_HIGH: Role = Role::SyncReset { active: Level::High };

#[test]
fn ports_have_their_direction_width_and_sign() {
    let source = "module m #(parameter W = 5) (a, \\b[0] , y);\n input [W-1:0] a; input signed [2:0] \\b[0] ; \
                  output reg [2*W-1:0] y;\n always @* y = a + \\b[0] ;\nendmodule";
    let interface = accepted(source).interface;
    let ports: Vec<_> = interface
        .ports
        .iter()
        .map(|port| (port.name.as_str(), port.direction, port.width, port.signed))
        .collect();
    let expect = [
        ("a", Direction::Input, 5, false),
        ("b[0]", Direction::Input, 3, true),
        ("y", Direction::Output, 10, false),
    ];
    assert_eq!(ports, expect);
    assert!(!interface.sequential);
}

#[test]
fn clocks_are_found_through_names_edges_and_instances() {
    check_roles(
        "module m(input rst, d, output reg q); always @(posedge rst) q <= d; endmodule",
        &[("rst", RISING), ("d", Role::Data)],
    );
    check_roles(
        "module m(input c, d, output reg p, n); always @(posedge c) p <= d; always @(negedge c) n <= d; endmodule",
        &[("c", Role::Clock { rising: true, falling: true })],
    );
    check_roles(
        "module f(input k, d, output reg q); always @(posedge k) q <= d; endmodule\n\
         module m(input x, d, output q); wire nx; assign nx = ~x; f u(.k(nx), .d(d), .q(q)); endmodule",
        &[("x", Role::Clock { rising: false, falling: true })],
    );
}

#[test]
fn a_gate_is_told_from_its_clock() {
    let gated = |operator: &str, more: &str| {
        format!(
            "module m(input en, clk, d, output reg q, output reg r); wire g = en {operator} clk; always @(posedge g) q <= d; {more} endmodule"
        )
    };
    let elsewhere = "always @(posedge clk) r <= d;";
    check_roles(
        &gated("&", elsewhere),
        &[("clk", RISING), ("en", Role::Gate { closed: Level::Low })],
    );
    check_roles(
        &gated("|", elsewhere),
        &[("clk", RISING), ("en", Role::Gate { closed: Level::High })],
    );
    check_roles(&gated("&", ""), &[("en", RISING), ("clk", Role::Gate { closed: Level::Low })]);
    check_roles(
        "module m(input en, clk, d, output reg q, r); wire g = en & ~clk; always @(posedge g) q <= d; always @(posedge clk) r <= d; endmodule",
        &[("en", Role::Gate { closed: Level::High })],
    );
    // A reset that a gate lets through is no clock where something else may be it.
    let reset = "always @(posedge clk or negedge en) if (!en) r <= 0; else r <= d;";
    check_roles(&gated("&", reset), &[("clk", RISING), ("en", ASYNC_LOW)]);
    check_roles(
        &format!(
            "module m(input en, clk, d, output reg q, r); wire g = en & 1'b1; always @(posedge g) q <= d; {reset} endmodule"
        ),
        &[("clk", RISING), ("en", RISING)],
    );
    // Neither is what a gate that is tied off would let through.
    for tied in ["1'b0", "z", "~o"] {
        check_roles(
            &format!(
                "module i(input k, e, output g); reg l; always @* if (!k) l = e; assign g = k & l; endmodule\n\
                 module m(input en, clk, output reg q, r); wire g, z, o; assign z = 0; assign o = 1; i u({tied}, en, g); \
                 always @(posedge g) q <= 1; always @(posedge clk) r <= en; endmodule"
            ),
            &[("clk", RISING), ("en", Role::Data)],
        );
    }
    for gate in ["wire g = en & k", "wire g = en & 1'b0"] {
        check_roles(
            &format!(
                "module m(input en, k, clk, d, output reg q, r); {gate}; always @(posedge g) q <= d; {reset} endmodule"
            ),
            &[("clk", RISING), ("en", ASYNC_LOW)],
        );
    }
}

#[test]
fn asynchronous_resets_are_the_events_tested_first() {
    for (edge, test, role) in [
        ("posedge", "x", ASYNC_HIGH),
        ("negedge", "!x", ASYNC_LOW),
        ("negedge", "~x", ASYNC_LOW),
        ("negedge", "x == 1'b0", ASYNC_LOW),
        ("negedge", "x != 1", ASYNC_LOW),
        ("posedge", "x || d", ASYNC_HIGH),
    ] {
        let source = format!(
            "module m(input c, x, d, output reg q); always @(posedge c or {edge} x) begin if ({test}) q <= 0; else q <= d; end endmodule"
        );
        check_roles(&source, &[("c", RISING), ("x", role), ("d", Role::Data)]);
    }
    check_roles(
        "module m(input c, s, r, d, output reg q); always @(posedge c, posedge r, negedge s) if (r) q <= 0; else if (!s) q <= 1; else q <= d; endmodule",
        &[("c", RISING), ("r", ASYNC_HIGH), ("s", ASYNC_LOW)],
    );
}

#[test]
fn synchronous_resets_set_all_registers_to_constants() {
    let clocked = |body: &str| {
        format!(
            "module m(input c, r, e, d, output reg q, output reg [3:0] p); integer i; reg [3:0] w [0:3]; always @(posedge c) {body} endmodule"
        )
    };
    let yes = [
        "if (r) begin q <= 0; p <= 4'd3; end else if (e) begin q <= d; p <= p + 1; end",
        "begin q <= d; p <= p + 1; if (r) begin q <= 0; p <= 0; end end",
        "begin q <= 0; if (r) p <= 0; else begin q <= d; p <= p + 1; end end",
        "q <= r ? 1'b0 : d;",
        "if (r) begin for (i = 0; i < 4; i = i + 1) w[i] <= 0; q <= 0; end else begin w[p] <= d; q <= w[0]; end",
    ];
    for body in yes {
        check_roles(&clocked(body), &[("r", SYNC_HIGH), ("d", Role::Data), ("e", Role::Data)]);
    }
    let no = [
        "if (r) q <= 0; else begin q <= d; p <= p + 1; end",
        "if (r) begin q <= 0; p <= p; end else begin q <= d; p <= p + 1; end",
        "if (e) begin if (r) q <= 0; else q <= d; end",
        "if (r) q <= 0; else q <= 1;",
    ];
    for body in no {
        check_roles(&clocked(body), &[("r", Role::Data)]);
    }
    check_roles(
        &clocked("if (!r) q <= 0; else q <= d;"),
        &[("r", Role::SyncReset { active: Level::Low })],
    );
    check_roles(
        &clocked("if (r) q <= d; else q <= 0;"),
        &[("r", Role::SyncReset { active: Level::Low })],
    );
}

#[test]
fn state_is_a_register_a_latch_or_a_loop() {
    let sequential = |body: &str| {
        accepted(&format!("module m(input e, d, output reg q, output y, z); {body} endmodule"))
            .interface
            .sequential
    };
    assert!(sequential("always @(posedge e) q <= d;"));
    assert!(sequential("always @* if (e) q = d;"));
    assert!(sequential("always @* case ({e, d}) 2'd0: q = 1; 2'd1: q = 0; 2'd2: q = 1; endcase"));
    assert!(sequential("assign y = ~(e | z); assign z = ~(d | y);"));
    assert!(!sequential("always @* if (e) q = d; else q = 0;"));
    assert!(!sequential("always @* begin q = 0; if (e) q = d; end"));
    assert!(!sequential(
        "always @* case ({e, d}) 2'd0, 2'd3: q = 1; 2'd1: q = 0; 2'd2: q = 1; endcase"
    ));
    let adder = "module m(input [3:0] a, b, output [3:0] s); wire [4:0] c; assign c[0] = 0; genvar g;\n\
                 generate for (g = 0; g < 4; g = g + 1) begin : l assign {c[g+1], s[g]} = a[g] + b[g] + c[g]; end endgenerate endmodule";
    assert!(!accepted(adder).interface.sequential);
}

#[test]
fn constants_reach_the_ports_they_are_compared_with() {
    let source = "module m(input [7:0] a, input [3:0] b, c, output reg [7:0] y); localparam L = 8'hA5;\n\
                  wire [7:0] copy = a; reg [2:0] state;\n\
                  always @* begin y = 0; if (copy == L) y = 1; if (a[7:4] == 4'd9) y = 2; if ({b, c} == 8'h3C) y = 3;\n\
                  case (b) 4'd7, 4'd2: y = 4; endcase if (state == 3'd5) y = 5; if (c inside {[4'd1:4'd4]}) y = 6; end endmodule";
    let interface = accepted(source).interface;
    let values = |port: usize| {
        interface.constants[port].iter().map(|bits| bits.words[0]).collect::<Vec<_>>()
    };
    assert_eq!(values(0), [0x90, 0xA5]);
    assert_eq!(values(1), [2, 3, 7]);
    assert_eq!(values(2), [1, 4, 0xC]);
    assert!(interface.constants[3].is_empty());
    assert!(interface.pool.contains(&Bits { width: 3, words: vec![5] }));
    assert!(interface.pool.is_sorted_by_key(|bits| bits.words[0]));
}

#[test]
fn only_what_the_top_reaches_counts() {
    let source = "`define ONE 1'b1\nmodule m(input a, output y); half u(.a(a), .y(y)); endmodule\n\
                  module half(input a, output y); assign y = a ^ `ONE; endmodule\n\
                  module bench; reg a; wire y; m dut(a, y); initial begin $dumpfile(\"x\"); $finish; end syntax error( endmodule\n";
    let design = elaborate(source, Some("m")).expect("the bench is out of reach");
    assert_eq!(design.source.len(), source.len());
    assert!(design.source.contains("half u") && !design.source.contains("bench"));
    assert_eq!(
        elaborate(source, None).expect_err("the bench is the root").reason,
        Reason::ParseError
    );
    let two = "module m(input a, output y); assign y = a; endmodule module n(input a, output y); assign y = a; endmodule";
    let refusal = elaborate(two, None).expect_err("two roots");
    assert_eq!(refusal.reason, Reason::WrongTop);
    assert!(refusal.message.contains("m, n"), "{refusal:?}");
}

#[test]
fn refusals_name_their_reason_and_place() {
    check_refusal(
        "module m(input a, output y); assign y = a endmodule",
        Reason::ParseError,
        "expected ';'",
    );
    check_refusal(
        "module m(input a, output y); assign y = b; endmodule",
        Reason::ElaborationError,
        "'b'",
    );
    check_refusal(
        "module m(input a, output y); missing u(a, y); endmodule",
        Reason::ElaborationError,
        "missing",
    );
    check_refusal("module n(input a); endmodule", Reason::WrongTop, "no module m");
    check_refusal(
        "module m(input a, output y); m u(a, y); endmodule",
        Reason::ElaborationError,
        "itself",
    );
    let refusal = elaborate("module m(input a,\n output y);\n assign y = b;\nendmodule", Some("m"))
        .expect_err("b is not there");
    assert_eq!(refusal.place.map(|place| (place.line, place.column)), Some((3, 13)));
}

#[test]
fn what_reaches_outside_is_forbidden() {
    for (text, part) in [
        ("initial $finish;", "$finish"),
        ("always @(posedge a) $stop;", "$stop"),
        ("reg [7:0] w [0:3]; initial $readmemh(\"f\", w);", "$readmemh"),
        ("integer f; initial f = $fopen(\"f\");", "$fopen"),
        ("initial $system(\"ls\");", "$system"),
        ("always @* $fdisplay(1, \"x\");", "$fdisplay"),
        ("import \"DPI-C\" function int f(int x); wire [31:0] w = f(1);", "dpi import"),
        ("assign x = $root.m.a;", "hierarchical"),
    ] {
        check_refusal(
            &format!("module m(input a, output y, x); assign y = a; {text} endmodule"),
            Reason::Forbidden,
            part,
        );
    }
    check_refusal(
        "`include \"f.v\"\nmodule m(input a, output y); assign y = a; endmodule",
        Reason::Forbidden,
        "`include",
    );
    check_refusal(
        "`define I(x) `inc``x\nmodule m(input a, output y); assign y = a; endmodule",
        Reason::Forbidden,
        "pasting",
    );
    check_refusal(
        "module h(input a, output y); assign y = m.secret ^ a; endmodule module m(input a, output y); wire secret = a; h u(a, y); endmodule",
        Reason::Forbidden,
        "leaves the module",
    );
    let down = "module h(input a, output y); wire w = ~a; assign y = a; endmodule module m(input a, output y); wire z; h u(a, z); assign y = u.w; endmodule";
    assert!(elaborate(down, Some("m")).is_ok(), "a reference downwards is fine");
    // The word alone, in a comment or a string, is no directive.
    assert!(
        elaborate("// `include\nmodule m(input a, output y); assign y = a; endmodule", Some("m"))
            .is_ok()
    );
}

#[test]
fn what_a_cycle_does_not_hold_is_unsupported() {
    for (text, part) in [
        ("reg c; always #5 c = ~c;", "delays alone"),
        ("reg c; initial begin c = 0; forever #5 c = ~c; end", "forever"),
        ("reg c; initial begin #5 c = 0; end", "waits"),
        ("reg c; always begin @(posedge a) c = 0; @(posedge a) c = 1; end", "event inside"),
        ("reg c; always @(posedge a) begin wait (y); c = 1; end", "wait"),
        ("reg c; always @(posedge a) fork c = 1; join", "fork"),
        ("wire [31:0] w = $random;", "$random"),
        ("wire [63:0] w = $time;", "$time"),
        ("reg c; always @(posedge a) force c = 1;", "force"),
        ("real r; always @(posedge a) r = 1.5;", "real"),
        ("wire [70000:0] w;", "bits"),
        ("reg [63:0] w [0:1000000];", "bits of signals"),
        ("event e; always @(posedge a) -> e;", "event"),
    ] {
        check_refusal(
            &format!("module m(input a, output y); assign y = a; {text} endmodule"),
            Reason::Unsupported,
            part,
        );
    }
    check_refusal(
        "module m(inout a, output y); assign y = a; endmodule",
        Reason::InoutPort,
        "inout",
    );
    for drives in [
        "assign a = y;",
        "wire b = y; assign a[0] = b;",
        "not (a[1], y);",
        "wire [1:0] a = a;",
        "inner i(.q(a[1]));",
        "generate if (1) begin assign a[1] = 0; end endgenerate",
    ] {
        check_refusal(
            &format!(
                "module inner(output q); assign q = 1; endmodule
                 module m(input [1:0] a, output y); assign y = a[0]; {drives} endmodule"
            ),
            Reason::InoutPort,
            "input a is driven",
        );
    }
    check_refusal(
        "module m(input real a, output y); assign y = a > 1; endmodule",
        Reason::Unsupported,
        "vector",
    );
    check_refusal(
        "module m(input a [3:0], output y); assign y = a[0]; endmodule",
        Reason::Unsupported,
        "vector",
    );
    let delays =
        "module m(input c, d, output reg q); always @(posedge c) begin #1 q <= #2 d; end endmodule";
    assert!(elaborate(delays, Some("m")).is_ok(), "delays in a clocked process count as zero");
}

#[test]
fn hostile_texts_are_bounded() {
    let expression = |value: String| {
        format!("module m(input [7:0] a, output [7:0] y); assign y = {value}; endmodule")
    };
    let deep = 10_000;
    for source in [
        expression(format!("{}a{}", "(".repeat(deep), ")".repeat(deep))),
        expression(format!("{}a{}", "{".repeat(deep), "}".repeat(deep))),
        expression(vec!["a"; 20_000].join("+")),
        expression("a ? a : ".repeat(deep) + "a"),
        format!(
            "module m(input a, output reg y); always @* {} y = a; {} endmodule",
            "begin ".repeat(deep),
            "end ".repeat(deep)
        ),
        format!(
            "module m(input a, output reg y); always @* {} y = a; endmodule",
            "if (a) ".repeat(deep)
        ),
        format!(
            "module m(input a, output reg y); always @* {} y = a; endmodule",
            "if (a) y = 0; else ".repeat(deep)
        ),
        "module m;".repeat(deep),
        (0..30).map(|n| format!("`define M{n} `M{0} `M{0}\n", n + 1)).collect::<String>()
            + "module m; `M0 endmodule",
        "module s(input a); endmodule module m(input a); s u[20000:0](a); endmodule".to_owned(),
        " ".repeat(2 << 20),
    ] {
        let refusal = elaborate(&source, Some("m")).expect_err("too much");
        assert_eq!(refusal.reason, Reason::Unsupported, "{refusal:?}");
    }
    for source in [
        "",
        "`",
        "\"",
        "\\",
        "/*",
        "'",
        "module",
        "module m(",
        "endmodule",
        "\u{feff}module m; endmodule",
        "é(((",
        "`define",
        "`define x \\",
    ] {
        _ = elaborate(source, None);
        _ = elaborate(source, Some("m"));
    }
}

#[test]
fn printing_leaves_a_null_statement() {
    check_rewrite(
        "always @(posedge clk) begin $display(\"a\",\n q); q <= a; end",
        "begin ;\n q <= a",
    );
    check_rewrite("always @(posedge clk) if (a) $write(\"x\"); else q <= a;", "if (a) ; else");
    check_rewrite("initial begin $dumpfile(\"f\"); $dumpvars(0, m); end", "begin ; ; end");
}

#[test]
fn operators_that_make_x_are_guarded() {
    check_rewrite("assign y = a / b;", "((b) != 16'd0 ? a / b : 16'bx)");
    check_rewrite("assign z = s % t;", "((t) != 16'sd0 ? s % t : 16'sbx)");
    check_rewrite("assign y = {a / (b + 8'd1)};", "((b + 8'd1) != 8'd0 ? a / (b + 8'd1) : 8'bx)");
    check_rewrite("assign y = a / 3;", "assign y = a / 3;");
    check_rewrite("assign y = w[i];", "((i) <= 4'd9 ? w[i] : 8'bx)");
    check_rewrite("assign y = v[s];", "((s) >= 8'sd0 && (s) <= 8'sd99 ? v[s] : 1'bx)");
    check_rewrite("assign y = a[i[2:0]];", "assign y = a[i[2:0]];");
    check_rewrite(
        "assign y = w[w[i]];",
        "((((i) <= 4'd9 ? w[i] : 8'bx)) <= 8'd9 ? w[((i) <= 4'd9 ? w[i] : 8'bx)] : 8'bx)",
    );
    check_rewrite("assign y = v[a +: 2];", "? v[($signed(34'(a)) + 34'sd1)] : 1'bx), (");
    check_rewrite("assign y = v[i * 4 +: 4];", "assign y = v[i * 4 +: 4];");
    // Left sides and loops with constant bounds stay.
    check_rewrite("always @(posedge clk) w[i] <= a;", "w[i] <= a;");
    check_rewrite(
        "always @* for (k = 0; k < 16; k = k + 1) q[k] = v[k + 84];",
        "q[k] = v[k + 84];",
    );
}

#[test]
fn what_is_read_and_written_at_once_is_guarded_where_there_is_room() {
    check_rewrite("always @(posedge clk) q /= b;", "q = ((b) != 0 ? q / (b) : 16'bx);");
    check_rewrite("always @(posedge clk) q %= 3;", "q %= 3;");
    check_rewrite("always @(posedge clk) w[i]++;", "w[i]++;");
    // Known, and left alone: a wide part-select, and what a macro holds.
    check_rewrite("assign y = v[a +: 80];", "assign y = v[a +: 80];");
    check_rewrite("`define S w[i]\nassign y = `S;", "assign y = `S;");
}

#[test]
fn a_guard_fits_every_instance_or_is_not_there() {
    let source = |second: u32| {
        format!(
            "module d #(parameter W = 6)(input [W-1:0] v, input [2:0] i, output y); assign y = v[i]; endmodule\n\
             module m(input [5:0] u, input [7:0] v, input [2:0] i, output y, z);\n\
             d #(6) a(u, i, y); d #({second}) b(v[{second}-1:0], i, z); endmodule\n"
        )
    };
    let text = |second| elaborate(&source(second), Some("m")).expect("it is legal").source;
    assert!(text(6).contains("((i) <= 3'd5 ? v[i] : 1'bx)"));
    assert!(text(8).contains("assign y = v[i];"));
}

/// Which processes may run before the drivers of what they read, and what they read then.
#[test]
fn another_order_reads_what_was_before() {
    let reordered = |body: &str| {
        let source = format!(
            "module m(input c, input [3:0] a, b, output wire [3:0] x, output reg [3:0] y, z);\n{body}\nendmodule\n"
        );
        let design = accepted(&source);
        assert_eq!(design.reordered.is_some(), !design.races.is_empty(), "{source}");
        design.reordered
    };
    let text = reordered("assign x = a ^ b;\nalways @(a, b) y = x + x[1:0];").expect("a race");
    assert_eq!(text.lines().count(), 4);
    let old = text.split_once("reg [3:0] salv").and_then(|(_, rest)| rest.split_once(';'));
    let (old, rest) = old.expect("a copy");
    let old = format!("salv{old}");
    let expect = format!("always @(x) {old} <= x; always @(a, b) y = {old} + {old}[1:0];");
    assert!(rest.contains(&expect), "{text}");
    for legal in [
        "assign x = a ^ b;\nalways @(a, b, x) y = x;",
        "assign x = a ^ b;\nalways @(*) y = x;",
        // It runs because x is new.
        "assign x = a ^ b;\nwire [3:0] w = ~x;\nalways @(w) y = x;",
        // A register has its value before any process without a clock runs.
        "assign x = 0;\nreg [3:0] r; always @(posedge c) begin r <= a; z <= b; end\nalways @(z) y = r;",
        "assign x = a;\nalways @(posedge c) begin y = a; z = y; end",
    ] {
        assert_eq!(reordered(legal), None, "{legal}");
    }
    let clocked = "assign x = a;\nalways @(posedge c) y = a;\nalways @(posedge c) z = y;";
    assert!(reordered(clocked).is_some());
}

#[test]
fn counters_say_for_how_long() {
    let source = "module m(input c, r, output reg [9:0] n, output reg [5:0] d, output reg [2:0] s);\n\
                  always @(posedge c) begin n <= (n == 999) ? 0 : n + 1; if (d == 0) d <= 6'd59; else d <= d - 1;\n\
                  case (s) 3'd5: s <= 0; default: s <= {s[1:0], r}; endcase end\nendmodule";
    let interface = accepted(source).interface;
    assert_eq!(interface.durations, [59, 999]);
    assert!(!interface.initialised);
    for (declared, expect) in [
        ("output reg q = 0, output reg p); initial p = 1;", true),
        ("output reg q, output reg p); initial {q, p} = 1;", true),
        ("output q, p); reg p, q = 1; initial begin p = 1; end", true),
        ("output reg q, output reg p); initial p = 1;", false),
    ] {
        let source = format!(
            "module m(input c, {declared} always @(posedge c) {{p, q}} <= {{q, p}}; endmodule"
        );
        assert_eq!(accepted(&source).interface.initialised, expect, "{source}");
    }
}

#[test]
fn instances_that_differ_leave_the_text_alone() {
    let source = "module d #(parameter W = 4)(input [W-1:0] a, b, output [W-1:0] y); assign y = a / b; endmodule\n\
                  module m(input [7:0] a, b, output [7:0] y, z); d #(8) u(a, b, y); d #(4) v(a[3:0], b[3:0], z[3:0]); endmodule";
    assert!(
        elaborate(source, Some("m")).expect("it is legal").source.contains("assign y = a / b;")
    );
}

#[test]
fn a_port_declared_twice_is_declared_once() {
    let source = "module m(input c, input [3:0] a, output [3:0] q, r, output s);\nreg [3:0] q = 4'd3, t;\nwire [3:0] r = a;\nreg s;\n\
                  always @(posedge c) begin q <= a; t <= q; s <= t[0]; end\nendmodule\n";
    let design = accepted(source);
    assert!(design.source.starts_with(
        "module m(input c, input [3:0] a, output reg [3:0] q, output [3:0] r, output reg s);"
    ));
    assert!(design.source.contains("initial q = 4'd3;") && design.source.contains("reg [3:0] t;"));
    assert!(design.source.contains("assign r = a;") && !design.source.contains("reg s;"));
    assert!(design.uses_z.is_empty(), "{:?}", design.uses_z);
    // The header's range holds where the body gives none, and a range in the body alone is an error.
    let counter = accepted(
        "module m(input c, output [3:0] q);\nreg q;\nalways @(posedge c) q <= q + 1;\nendmodule",
    );
    assert_eq!(counter.interface.ports[1].width, 4);
    for (header, body, part) in [
        ("output q", "reg [1:0] q;", "port q is declared with another range"),
        ("output [2:0] q", "reg [1:0] q;", "port q is declared with another range"),
        ("output reg q", "reg q;", "port q is declared twice"),
        ("output wire q", "wire q;", "port q is declared twice"),
    ] {
        let source = format!("module m(input c, {header}); {body} endmodule");
        check_refusal(&source, Reason::ElaborationError, part);
    }
}

#[test]
fn races_and_z_name_their_outputs() {
    let raced = accepted(
        "module m(input c, d, output reg x, y, output z); reg t; always @(posedge c) t = d; always @(posedge c) x <= t; \
         always @(posedge c) y <= d; assign z = x; endmodule",
    );
    assert_eq!(raced.races, ["x", "z"]);
    let twice = accepted(
        "module m(input c, d, output reg x, y); always @(posedge c) x <= d; always @(negedge c) x <= ~d; always @(posedge c) y <= d; endmodule",
    );
    assert_eq!(twice.races, ["x"]);
    let bit = |at: u32| {
        accepted(&format!(
            "module m(input c, d, output reg [3:0] x); always @(posedge c) begin x[0] <= d; x[3:2] <= {{d, d}}; end \
             always @(posedge c) x[{at}] <= ~d; endmodule"
        ))
    };
    assert_eq!([0, 1, 2, 3].map(|at| bit(at).races.len()), [1, 0, 1, 1]);
    let part = |part: &str| {
        accepted(&format!(
            "module m(input c, input [7:0] d, output reg [7:0] x); always @(posedge c) begin x[7:5] <= d[2:0]; x[0] <= d[3]; end \
             always @(posedge c) x[{part}] <= ~d;  always @(posedge c) x[1] <= d[0]; endmodule"
        ))
    };
    let parts = ["2 +: 3", "2 +: 4", "4 -: 3", "4 -: 4", "4:2", "6:6"];
    assert_eq!(parts.map(|at| part(at).races.len()), [0, 1, 0, 1, 0, 1]);
    let shared = accepted(
        "module m(input c, input [3:0] d, output reg [3:0] x, y); integer i; always @(posedge c) for (i = 0; i < 4; i = i + 1) x[i] <= d[i]; \
         always @(posedge c) for (i = 0; i < 4; i = i + 1) y[i] <= d[3-i]; endmodule",
    );
    assert!(shared.races.is_empty());
    let z = accepted(
        "module m(input e, d, output y, x, n, open); assign y = e ? d : 1'bz; assign x = y & d; assign n = d; endmodule",
    );
    // `open` is Z too, but always: it counts as unknown.
    assert_eq!(z.uses_z, ["y"]);
    let gates =
        accepted("module m(input e, d, output y, x); bufif1 (y, d, e); buf (x, d); endmodule");
    assert_eq!(gates.uses_z, ["y"]);
}

#[test]
fn an_interface_accepts_what_can_stand_in() {
    let of = |ports: &str| {
        elaborate(&format!("module m({ports}); endmodule"), Some("m"))
            .expect("ports alone are legal")
            .interface
    };
    let golden = of("input a, input [3:0] b, output [7:0] y");
    assert_eq!(
        golden.accepts(&of("output signed [7:0] y, output more, input [3:0] b, input a")),
        Ok(())
    );
    for (ports, part) in [
        ("input a, input [3:0] b", "output y of 8 bits is missing"),
        ("input a, input [2:0] b, output [7:0] y", "input b has 3 bits, not 4 bits"),
        ("input a, output [3:0] b, output [7:0] y", "b is an output, not an input"),
        ("input a, input [3:0] b, input c, output [7:0] y", "input c of 1 bit is too many"),
    ] {
        assert_eq!(golden.accepts(&of(ports)), Err(part.to_owned()));
    }
}

/// Runs the candidates of a folder given by `SALV_DATA`: none may take the process down, and what Icarus
/// takes is rejected rarely.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn real_candidates_elaborate() {
    let Some(folder) = std::env::var_os("SALV_DATA") else {
        eprintln!("skipped: SALV_DATA names no folder with candidates.jsonl");
        return;
    };
    let text = std::fs::read_to_string(std::path::Path::new(&folder).join("candidates.jsonl"))
        .expect("candidates.jsonl");
    let (mut taken, mut rejected) = (0, Vec::new());
    for line in text.lines() {
        let row: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
        let source = row["completion"].as_str().unwrap_or_default();
        let result = elaborate(source, None);
        assert_eq!(result, elaborate(source, None), "not a function of the text");
        let error = result.err().filter(|refusal| {
            matches!(refusal.reason, Reason::ParseError | Reason::ElaborationError)
        });
        if row["iverilog"] == "ok" {
            taken += 1;
            rejected.extend(error.map(|refusal| (row["id"].clone(), refusal.message)));
        }
    }
    assert!(
        taken > 0 && rejected.len() * 200 < taken,
        "{} of {taken}: {rejected:?}",
        rejected.len()
    );
}

/// Of a module with very many operations the last are looked at as the first are.
#[test]
fn no_operation_is_too_late_to_be_seen() {
    let operands = ["a[0]"; 60].join(" ^ ");
    let module = |index: u32, more: &str| {
        format!(
            "module m(input [7:0] a, output [1999:0] y); for (genvar i = 0; i < 2000; i = i + 1) begin : g \
             if (i == {index}) begin assign y[i] = a == 8'd77; {more} end else assign y[i] = {operands}; end endmodule"
        )
    };
    for index in [0, 1999] {
        let interface = elaborate(&module(index, ""), None).expect("a design").interface;
        let has = |word| interface.pool.iter().any(|constant| constant.words == [word]);
        assert!(has(77) && !has(78), "{index}");
        let refusal = elaborate(&module(index, "initial $finish;"), None).expect_err("a refusal");
        assert_eq!(refusal.reason, Reason::Forbidden, "{index}: {refusal:?}");
    }
}
