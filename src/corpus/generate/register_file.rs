//! Register files of four words: two read ports, and what is known about them.

use super::chance::Chance;
use super::draft::{Draft, Value, bin, lit};
use super::sketch::{Part, Sketch, part};

/// The inputs of a register file.
struct Ports {
    w: u32,
    we: String,
    wa: String,
    d: String,
    ra: String,
    rb: String,
}

/// How a word is read at an address, in both versions.
type Read = Box<dyn Fn(&str) -> (Value, String)>;

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("register_file", &["regfile", "reg_file", "rf4", "bank", "reg_bank"], chance);
    let memory = sketch.variant(&["memory", "registers"]) == "memory";
    sketch.clock();
    let w = sketch.number(&[2, 3, 4, 6, 8]);
    let we = sketch.input(&["we", "wr_en", "write"], 1);
    let wa = sketch.input(&["waddr", "wa", "wr_addr"], 2);
    let d = sketch.input(&["wdata", "d", "din"], w);
    let ra = sketch.input(&["raddr", "ra", "rd_addr"], 2);
    let rb = sketch.input(&["raddr2", "rb", "sel_b"], 2);
    let ports = Ports { w, we, wa, d, ra, rb };
    let mem = sketch.name(&["mem", "regs", "bank_q"]);
    let names: Vec<String> = (0..4).map(|at| sketch.name(&[&format!("r{at}")])).collect();
    let store = sketch.name(&["store", "words"]);
    let read = if memory {
        in_memory(&mut sketch, &ports, (mem, store))
    } else {
        in_registers(&mut sketch, &ports, names.clone())
    };
    let mut pool = accesses(&ports, &read);
    pool.extend(writes(&ports));
    if !memory {
        pool.extend(of_registers(&names, w));
    }
    sketch.outputs(pool)
}

/// Words in a memory; in the second version side by side in one register.
fn in_memory(sketch: &mut Sketch, ports: &Ports, (mem, store): (String, String)) -> Read {
    let Ports { w, we, wa, d, .. } = ports;
    let w = *w;
    sketch.inner(&mem, w, Value::Memory(4, we.clone(), wa.clone(), d.clone()), "1'b0");
    // All four words side by side, the addressed one replaced.
    let merged = (0..4).rev().map(|at| {
        format!("({wa} == {}) ? {d} : {store}[{}:{}]", lit(2, at), at * w + w - 1, at * w)
    });
    let merged = merged.map(|word| format!("({word})")).collect::<Vec<_>>().join(", ");
    sketch.inner(
        &store,
        4 * w,
        "1'b0",
        Value::Register(None, vec![(we.clone(), format!("{{{merged}}}"))]),
    );
    sketch.tell(&[&format!(
        "Four words of {w} bits, not reset: when {we} is high, a clock edge \
         writes {d} to word {wa}"
    )]);
    Box::new(move |at| {
        (format!("{mem}[{at}]").into(), format!("{store} >> ({{2'b00, {at}}} * {w})"))
    })
}

/// Words in registers of their own.
fn in_registers(sketch: &mut Sketch, ports: &Ports, names: Vec<String>) -> Read {
    let Ports { w, we, wa, d, .. } = ports;
    let (w, zero) = (*w, lit(*w, 0));
    let writes = |at: u32| format!("{we} && ({wa} == {})", lit(2, at));
    for (at, name) in (0..).zip(&names) {
        let next = format!("({name} & ~{{{w}{{{0}}}}}) | ({d} & {{{w}{{{0}}}}})", writes(at));
        sketch.inner(
            name,
            w,
            Value::register(&zero, &[(&writes(at), d)]),
            Value::register(&zero, &[("", &next)]),
        );
    }
    sketch.tell(&[&format!(
        "Four registers of {w} bits, {}: when {we} is high, a clock edge \
         writes {d} to register {wa}",
        names.join(", ")
    )]);
    let all = names.iter().rev().cloned().collect::<Vec<_>>().join(", ");
    Box::new(move |at| {
        let arms = (0..).zip(&names[..3]).map(|(arm, name)| (lit(2, arm), name.clone())).collect();
        let case = Value::Case(at.to_owned(), arms, names[3].clone());
        (case, format!("{{{all}}} >> ({{2'b00, {at}}} * {w})"))
    })
}

fn accesses(ports: &Ports, read: &Read) -> Vec<Part> {
    let Ports { w, we, wa, ra, rb, .. } = ports;
    let w = *w;
    let ((one, one_too), (other, other_too)) = (read(ra), read(rb));
    vec![
        part(
            ("read", &["rdata", "dout", "qa"], w),
            &[
                &format!("is word {ra}, read combinationally"),
                &format!("is the word that {ra} addresses"),
            ],
            one,
            one_too,
        ),
        part(
            ("read two", &["rdata2", "qb", "dout_b"], w),
            &[
                &format!("is word {rb}, read combinationally"),
                &format!("is the word that {rb} addresses"),
            ],
            other,
            other_too,
        ),
        part(
            ("hit", &["hit", "same_addr", "bypass"], 1),
            &[&format!("is high when {we} is high and {ra} equals {wa}")],
            format!("{we} && ({ra} == {wa})"),
            format!("{we} & ~|({ra} ^ {wa})"),
        ),
        part(
            ("conflict", &["conflict", "twice"], 1),
            &[&format!("is high when {ra} equals {rb}")],
            format!("{ra} == {rb}"),
            format!("~|({ra} ^ {rb})"),
        ),
    ]
}

fn writes(ports: &Ports) -> Vec<Part> {
    let Ports { w, we, wa, d, .. } = ports;
    let (w, zero) = (*w, lit(*w, 0));
    vec![
        part(
            ("written", &["written", "valid", "used"], 4),
            &["has a bit for each word, set when it is written and cleared by reset \
               only"],
            Value::register("4'd0", &[(we, &format!("@ | (4'd1 << {wa})"))]),
            Value::register(
                "4'd0",
                &[(
                    "",
                    &format!(
                        "@ | {{{we} & ({wa} == 2'd3), {we} & ({wa} == 2'd2), {we} & ({wa} == \
                         2'd1), {we} & ({wa} == 2'd0)}}"
                    ),
                )],
            ),
        ),
        part(
            ("last address", &["last_addr", "prev_wa"], 2),
            &["is a register with the address of the last write"],
            Value::register("2'd0", &[(we, wa)]),
            Value::register(
                "2'd0",
                &[("", &format!("({wa} & {{2{{{we}}}}}) | (@ & {{2{{~{we}}}}})"))],
            ),
        ),
        part(
            ("last word", &["last_data", "prev_d"], w),
            &["is a register with the last word written"],
            Value::register(&zero, &[(we, d)]),
            Value::register(
                &zero,
                &[("", &format!("({d} & {{{w}{{{we}}}}}) | (@ & {{{w}{{~{we}}}}})"))],
            ),
        ),
        part(
            ("line", &["wline", "wr_sel"], 4),
            &[&format!("is {wa} decoded one-hot when {we} is high, else 0")],
            Value::when(&[(we, &format!("4'd1 << {wa}"))], bin(4, 0)),
            format!(
                "{{4{{{we}}}}} & {{{wa} == 2'd3, {wa} == 2'd2, {wa} == 2'd1, {wa} == \
                 2'd0}}"
            ),
        ),
        part(
            ("count", &["writes", "wr_count"], 3),
            &["is a 3-bit register that counts the writes"],
            Value::register("3'd0", &[(we, "@ + 1'b1")]),
            Value::register("3'd0", &[("", &format!("@ + {we}"))]),
        ),
    ]
}

fn of_registers(names: &[String], w: u32) -> Vec<Part> {
    let zero = lit(w, 0);
    vec![
        part(
            ("nonzero", &["nz", "dirty"], 4),
            &["has a bit for each register that is high when the register is not 0"],
            format!("{{|{}, |{}, |{}, |{}}}", names[3], names[2], names[1], names[0]),
            format!(
                "{{{0} != {zero}, {1} != {zero}, {2} != {zero}, {3} != {zero}}}",
                names[3], names[2], names[1], names[0]
            ),
        ),
        part(
            ("xor", &["check", "xor_all"], w),
            &["is the XOR of the four registers"],
            names.join(" ^ "),
            format!("({0} ^ {1}) ^ ({2} ^ {3})", names[3], names[1], names[0], names[2]),
        ),
    ]
}
