//! Every operator, on all values of up to three bits and on random ones of many widths, against [`super::oracle`].
//!
//! Inputs are known, so an operand of four states is made bit by bit: two bits of an input choose one from the constant
//! `zx10`. The same operands come known and straight from an input too, since the engine has a quicker way for those.

use salv::design::program::{Net, OpKind, Slot, Statement};

use super::build::{Build, bits, blocking, machine, set};
use super::oracle::{self, Bits};

const LANES: usize = 64;

/// Cases of each operator that run alone.
const ALONE: usize = 700;
const WIDTHS: [usize; 12] = [1, 7, 8, 31, 32, 33, 63, 64, 65, 100, 128, 200];

/// An operator: its operands' widths and the result's, for a base width.
struct Operator {
    name: String,
    widths: Vec<usize>,
    result: usize,
    kind: Box<Kind>,
}

/// Makes the operation of its operands' slots.
type Kind = dyn Fn(&[Slot]) -> OpKind;

fn operator(
    name: &str,
    widths: &[usize],
    result: usize,
    kind: impl Fn(&[Slot]) -> OpKind + 'static,
) -> Operator {
    Operator { name: name.to_owned(), widths: widths.to_vec(), result, kind: Box::new(kind) }
}

fn bitwise(w: usize) -> Vec<Operator> {
    use OpKind as K;
    let mut all = vec![
        operator("not", &[w], w, |s| K::Not(s[0])),
        operator("and", &[w, w], w, |s| K::And(s[0], s[1])),
        operator("or", &[w, w], w, |s| K::Or(s[0], s[1])),
        operator("xor", &[w, w], w, |s| K::Xor(s[0], s[1])),
        operator("reduce and", &[w], 1, |s| K::ReduceAnd(s[0])),
        operator("reduce or", &[w], 1, |s| K::ReduceOr(s[0])),
        operator("reduce xor", &[w], 1, |s| K::ReduceXor(s[0])),
        operator("known", &[w], w, |s| K::Known(s[0])),
        operator("is unknown", &[w], 1, |s| K::IsUnknown(s[0])),
        operator("count ones", &[w], 32, |s| K::CountOnes(s[0])),
        operator("count ones, cut", &[w], 2, |s| K::CountOnes(s[0])),
        operator("mux", &[1, w, w], w, |s| K::Mux { condition: s[0], a: s[1], b: s[2] }),
        operator("gate", &[1, 1], 1, |s| K::Gate { data: s[0], control: s[1] }),
    ];
    for net in [Net::Wire, Net::And, Net::Or] {
        let kind = move |s: &[Slot]| K::Resolve { a: s[0], b: s[1], net };
        all.push(operator(&format!("resolve {net:?}"), &[w, w], w, kind));
    }
    for one in [false, true] {
        all.push(operator(&format!("pull {one}"), &[w], w, move |s| K::Pull { a: s[0], one }));
    }
    all
}

fn moves(w: usize) -> Vec<Operator> {
    use OpKind as K;
    let mut all = vec![
        operator("concat 1", &[w], w, |s| K::Concat(s.to_vec())),
        operator("concat 2", &[w, 3], w + 3, |s| K::Concat(s.to_vec())),
        operator("concat 3", &[2, w, 1], w + 3, |s| K::Concat(s.to_vec())),
    ];
    for signed in [false, true] {
        for to in [1, w.div_ceil(2), w, w + 1, w + 30, w + 70] {
            let kind = move |s: &[Slot]| K::Extend { a: s[0], signed };
            all.push(operator(&format!("extend {signed} to {to}"), &[w], to, kind));
        }
    }
    for (lsb, width) in [(0, w), (w - 1, 1), (w / 2, w - w / 2), (w / 3, w / 2 - w / 3)] {
        if width > 0 {
            let kind = move |s: &[Slot]| K::Slice { a: s[0], lsb: lsb as u32 };
            all.push(operator(&format!("slice {lsb}"), &[w], width, kind));
        }
    }
    for (offset, width) in [(3, 1), (4, w), (9, 3), (9, w.div_ceil(2)), (64, 70)] {
        let kind = |s: &[Slot]| K::Select { a: s[0], offset: s[1] };
        all.push(operator(&format!("select {offset} {width}"), &[w, offset], width, kind));
    }
    all
}

fn arithmetic(w: usize) -> Vec<Operator> {
    use OpKind as K;
    let mut all = vec![
        operator("negate", &[w], w, |s| K::Negate(s[0])),
        operator("add", &[w, w], w, |s| K::Add(s[0], s[1])),
        operator("subtract", &[w, w], w, |s| K::Subtract(s[0], s[1])),
        operator("multiply", &[w, w], w, |s| K::Multiply(s[0], s[1])),
        operator("ceil log2", &[w], 32, |s| K::CeilLog2(s[0])),
        operator("ceil log2, cut", &[w], 2, |s| K::CeilLog2(s[0])),
    ];
    for signed in [false, true] {
        let divide = move |s: &[Slot]| K::Divide { a: s[0], b: s[1], signed };
        let remainder = move |s: &[Slot]| K::Remainder { a: s[0], b: s[1], signed };
        let less = move |s: &[Slot]| K::Less { a: s[0], b: s[1], signed };
        all.push(operator(&format!("divide {signed}"), &[w, w], w, divide));
        all.push(operator(&format!("remainder {signed}"), &[w, w], w, remainder));
        all.push(operator(&format!("less {signed}"), &[w, w], 1, less));
        for exponent_signed in [false, true] {
            for width in [1, 3, 65] {
                let kind = move |s: &[Slot]| K::Power {
                    a: s[0],
                    b: s[1],
                    base_signed: signed,
                    exponent_signed,
                };
                let name = format!("power {signed} {exponent_signed} {width}");
                all.push(operator(&name, &[w, width], w, kind));
            }
        }
    }
    all
}

fn comparisons_and_shifts(w: usize) -> Vec<Operator> {
    use OpKind as K;
    let mut all = vec![
        operator("equal", &[w, w], 1, |s| K::Equal(s[0], s[1])),
        operator("same", &[w, w], 1, |s| K::Same(s[0], s[1])),
        operator("matches", &[w, w], 1, |s| K::Matches(s[0], s[1])),
    ];
    for unknown in [false, true] {
        let kind = move |s: &[Slot]| K::CaseMatches { a: s[0], b: s[1], unknown };
        all.push(operator(&format!("case matches {unknown}"), &[w, w], 1, kind));
    }
    for by in [1, 3, 8, 32, 70] {
        all.push(operator(&format!("shl {by}"), &[w, by], w, |s| K::ShiftLeft(s[0], s[1])));
        all.push(operator(&format!("shr {by}"), &[w, by], w, |s| K::ShiftRight(s[0], s[1])));
        let signed = |s: &[Slot]| K::ShiftRightSigned(s[0], s[1]);
        all.push(operator(&format!("sar {by}"), &[w, by], w, signed));
    }
    all
}

fn operators(w: usize) -> Vec<Operator> {
    [bitwise(w), moves(w), arithmetic(w), comparisons_and_shifts(w)].into_iter().flatten().collect()
}

/// A small generator of random numbers: splitmix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Bits of `states`; often small, all equal, or with few bits that are not 0.
    pub fn bits(&mut self, width: usize, states: &[u8]) -> Bits {
        let any = |random: &mut Random| states[random.below(states.len() as u64) as usize];
        match self.below(6) {
            0 => {
                let bit = any(self);
                vec![bit; width]
            }
            1 => {
                let mut bits = vec![b'0'; width];
                let at = self.below(width as u64) as usize;
                bits[at] = any(self);
                bits
            }
            2 => {
                let few = 1 + self.below(7) as usize;
                (0..width).map(|at| if at < few { any(self) } else { b'0' }).collect()
            }
            3 => (0..width).map(|_| b'0' + (self.next() & 1) as u8).collect(),
            _ => (0..width).map(|_| any(self)).collect(),
        }
    }
}

/// The operand that an input stands for: itself, or two bits for each of its bits.
fn operand(build: &mut Build, body: &mut Vec<Statement>, input: Slot, states: Slot) -> Slot {
    let width = build.program.widths[input as usize] / 2;
    let pieces = (0..width).rev().map(|at| {
        let choice = build.op(body, 2, OpKind::Slice { a: input, lsb: 2 * at });
        let offset = build.op(body, 3, OpKind::Extend { a: choice, signed: false });
        build.op(body, 1, OpKind::Select { a: states, offset })
    });
    let pieces = pieces.collect();
    build.op(body, width, OpKind::Concat(pieces))
}

/// Runs an operator on many cases and compares each result: side by side, and some of them alone, where all lanes of the
/// machine have the same operands.
fn check(operator: &Operator, cases: &[Vec<Bits>], is_known: bool) {
    check_beside(operator, cases, is_known, LANES);
    check_beside(operator, &cases[..cases.len().min(ALONE)], is_known, 1);
}

fn check_beside(operator: &Operator, cases: &[Vec<Bits>], is_known: bool, lanes: usize) {
    let mut build = Build::default();
    let factor = if is_known { 1 } else { 2 };
    let inputs: Vec<Slot> =
        operator.widths.iter().map(|&w| build.input("i", (factor * w) as u32)).collect();
    let result = build.output("o", operator.result as u32);
    let states = build.constant("zx10");
    let mut body = Vec::new();
    let slots: Vec<Slot> = match is_known {
        true => inputs.clone(),
        false => inputs.iter().map(|&i| operand(&mut build, &mut body, i, states)).collect(),
    };
    let kind = (operator.kind)(&slots);
    let value = build.op(&mut body, operator.result as u32, kind.clone());
    body.push(blocking(result, value));
    build.combinational(&inputs, &[result], body);
    let code = build.code();
    let mut machine = machine(&code, lanes);
    for some in cases.chunks(lanes) {
        for port in 0..inputs.len() {
            let text = |case: &Vec<Bits>| text(&case[port], is_known);
            let mut texts: Vec<String> = some.iter().map(text).collect();
            texts.resize(lanes, texts[0].clone());
            set(&mut machine, port, &texts);
        }
        machine.settle().expect("no loops");
        let output = machine.output(0);
        for (lane, case) in some.iter().enumerate() {
            let found = bits(&output, machine.stride(), lane, operator.result as u32);
            let expected = oracle::evaluate(&kind, case, operator.result);
            let expected: String = expected.iter().rev().map(|&bit| char::from(bit)).collect();
            let shown: Vec<String> = case.iter().map(shown).collect();
            assert_eq!(found, expected, "{} of {shown:?}", operator.name);
        }
    }
}

fn shown(bits: &Bits) -> String {
    bits.iter().rev().map(|&bit| char::from(bit)).collect()
}

/// What an input says to stand for these bits.
fn text(bits: &Bits, is_known: bool) -> String {
    if is_known {
        return shown(bits);
    }
    let pair = |&bit: &u8| match bit {
        b'0' => "00",
        b'1' => "01",
        b'x' => "10",
        _ => "11",
    };
    bits.iter().rev().map(pair).collect()
}

/// All values of an operator's operands.
fn all_cases(widths: &[usize], states: &[u8]) -> Vec<Vec<Bits>> {
    let total: usize = widths.iter().sum();
    let count = states.len().pow(total as u32);
    let case = |mut number: usize| {
        let operand = |&width: &usize| {
            let bit = |_| {
                let bit = states[number % states.len()];
                number /= states.len();
                bit
            };
            (0..width).map(bit).collect()
        };
        widths.iter().map(operand).collect()
    };
    (0..count).map(case).collect()
}

const CASES_MAX: u32 = 1 << 15;

#[test]
fn operators_agree_with_the_standard_on_all_small_values() {
    for width in 1..=3 {
        for operator in operators(width) {
            let bits: usize = operator.widths.iter().sum();
            for states in [&b"01xz"[..], b"01"] {
                let is_known = states.len() == 2;
                if (states.len() as u32).checked_pow(bits as u32).is_some_and(|n| n <= CASES_MAX) {
                    check(&operator, &all_cases(&operator.widths, states), is_known);
                }
            }
        }
    }
}

#[test]
fn operators_agree_with_the_standard_on_random_values() {
    let mut random = Random(1);
    for width in WIDTHS {
        for operator in operators(width) {
            for (states, count) in [(&b"01xz"[..], 64), (b"01", 128), (b"0000001x", 64)] {
                let case = |_| {
                    let operand = |&w: &usize| random.bits(w, states);
                    operator.widths.iter().map(operand).collect()
                };
                let cases: Vec<Vec<Bits>> = (0..count).map(case).collect();
                check(&operator, &cases, states.len() == 2);
            }
        }
    }
}
