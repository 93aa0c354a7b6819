//! Register files of four words: two read ports, and what is known about them.

use super::chance::Chance;
use super::draft::{Draft, Sketch, Value, bin, lit, part};

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
    let zero = lit(w, 0);
    let mem = sketch.name(&["mem", "regs", "bank_q"]);
    let writes = |at: u32| format!("{we} && ({wa} == {})", lit(2, at));
    let names: Vec<String> = (0..4).map(|at| sketch.name(&[&format!("r{at}")])).collect();
    let store = sketch.name(&["store", "words"]);
    let read: Box<dyn Fn(&str) -> Value>;
    let read_too: Box<dyn Fn(&str) -> String>;
    if memory {
        sketch.inner(&mem, w, Value::Memory(4, we.clone(), wa.clone(), d.clone()), "1'b0");
        // All four words side by side, the addressed one replaced.
        let merged = (0..4).rev().map(|at| format!("({wa} == {}) ? {d} : {store}[{}:{}]", lit(2, at), at * w + w - 1, at * w));
        let merged = merged.map(|word| format!("({word})")).collect::<Vec<_>>().join(", ");
        sketch.inner(&store, 4 * w, "1'b0", Value::Register(None, vec![(we.clone(), format!("{{{merged}}}"))]));
        read = Box::new(|at| Value::from(format!("{mem}[{at}]")));
        read_too = Box::new(|at| format!("{store} >> ({{2'b00, {at}}} * {w})"));
        sketch.tell(&[&format!("Four words of {w} bits, not reset: when {we} is high, a clock edge writes {d} to word {wa}")]);
    } else {
        for (at, name) in (0..).zip(&names) {
            let next = format!("({name} & ~{{{w}{{{0}}}}}) | ({d} & {{{w}{{{0}}}}})", writes(at));
            sketch.inner(name, w, Value::register(&zero, &[(&writes(at), &d)]), Value::register(&zero, &[("", &next)]));
        }
        let case = |at: &str| Value::Case(at.to_owned(), (0..3).map(|arm| (lit(2, arm as u32), names[arm].clone())).collect(), names[3].clone());
        read = Box::new(case);
        read_too = Box::new(|at| format!("{{{}, {}, {}, {}}} >> ({{2'b00, {at}}} * {w})", names[3], names[2], names[1], names[0]));
        sketch.tell(&[&format!("Four registers of {w} bits, {}: when {we} is high, a clock edge writes {d} to register {wa}", names.join(", "))]);
    }
    let mut pool = vec![
        part(("read", &["rdata", "dout", "qa"], w), &[&format!("is word {ra}, read combinationally"), &format!("is the word that {ra} addresses")], read(&ra), read_too(&ra)),
        part(("read two", &["rdata2", "qb", "dout_b"], w), &[&format!("is word {rb}, read combinationally"), &format!("is the word that {rb} addresses")], read(&rb), read_too(&rb)),
        part(("hit", &["hit", "same_addr", "bypass"], 1), &[&format!("is high when {we} is high and {ra} equals {wa}")], format!("{we} && ({ra} == {wa})"), format!("{we} & ~|({ra} ^ {wa})")),
        part(("conflict", &["conflict", "twice"], 1), &[&format!("is high when {ra} equals {rb}")], format!("{ra} == {rb}"), format!("~|({ra} ^ {rb})")),
        part(("written", &["written", "valid", "used"], 4), &["has a bit for each word, set when it is written and cleared by reset only"], Value::register("4'd0", &[(&we, &format!("@ | (4'd1 << {wa})"))]), Value::register("4'd0", &[("", &format!("@ | {{{we} & ({wa} == 2'd3), {we} & ({wa} == 2'd2), {we} & ({wa} == 2'd1), {we} & ({wa} == 2'd0)}}"))])),
        part(("last address", &["last_addr", "prev_wa"], 2), &["is a register with the address of the last write"], Value::register("2'd0", &[(&we, &wa)]), Value::register("2'd0", &[("", &format!("({wa} & {{2{{{we}}}}}) | (@ & {{2{{~{we}}}}})"))])),
        part(("last word", &["last_data", "prev_d"], w), &["is a register with the last word written"], Value::register(&zero, &[(&we, &d)]), Value::register(&zero, &[("", &format!("({d} & {{{w}{{{we}}}}}) | (@ & {{{w}{{~{we}}}}})"))])),
        part(("line", &["wline", "wr_sel"], 4), &[&format!("is {wa} decoded one-hot when {we} is high, else 0")], Value::when(&[(&we, &format!("4'd1 << {wa}"))], bin(4, 0)), format!("{{4{{{we}}}}} & {{{wa} == 2'd3, {wa} == 2'd2, {wa} == 2'd1, {wa} == 2'd0}}")),
        part(("count", &["writes", "wr_count"], 3), &["is a 3-bit register that counts the writes"], Value::register("3'd0", &[(&we, "@ + 1'b1")]), Value::register("3'd0", &[("", &format!("@ + {we}"))])),
    ];
    if !memory {
        pool.push(part(("nonzero", &["nz", "dirty"], 4), &["has a bit for each register that is high when the register is not 0"], format!("{{|{}, |{}, |{}, |{}}}", names[3], names[2], names[1], names[0]), format!("{{{0} != {zero}, {1} != {zero}, {2} != {zero}, {3} != {zero}}}", names[3], names[2], names[1], names[0])));
        pool.push(part(("xor", &["check", "xor_all"], w), &["is the XOR of the four registers"], names.join(" ^ "), format!("({0} ^ {1}) ^ ({2} ^ {3})", names[3], names[1], names[0], names[2])));
    }
    drop((read, read_too));
    sketch.outputs(pool)
}
