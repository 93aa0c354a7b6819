//! The constructs that random modules are made of, in families that can be switched off by name.
//!
//! Some constructs Icarus 11.0 refuses. Where the language says what else means the same, a module is written
//! twice ([`super::module`]): the construct for us, the other text for Icarus. [`Family::refused`] has Icarus's words.

macro_rules! families {
    ($($variant:ident $name:literal $doc:literal $refused:expr),* $(,)?) => {
        /// A family of constructs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Family { $(#[doc = $doc] $variant),* }

        impl Family {
            /// All families.
            pub const ALL: &[Family] = &[$(Family::$variant),*];

            /// The name on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Family::$variant => $name),* }
            }

            /// What Icarus 11.0 says of it, if it refuses it.
            pub fn refused(self) -> Option<&'static str> {
                match self { $(Family::$variant => $refused),* }
            }
        }
    };
}

families! {
    Arithmetic "arithmetic" "`+`, `-`, `*`." None,
    Division "division" "`/` and `%`, by zero too." None,
    Power "power" "`**`." None,
    Shift "shift" "The four shifts, by any amount." None,
    Bitwise "bitwise" "`&`, `|`, `^`, `~^`, `~`." None,
    Logical "logical" "`&&`, `||`, `!`." None,
    Reduction "reduction" "The six reductions." None,
    Relational "relational" "`<`, `<=`, `>`, `>=`." None,
    Equality "equality" "`==`, `!=`." None,
    CaseEquality "case-equality" "`===`, `!==`." None,
    WildcardEquality "wildcard-equality" "`==?`, `!=?`." None,
    Conditional "conditional" "`?:`." None,
    Concatenation "concatenation" "`{a, b}`." None,
    Replication "replication" "`{3{a}}`." None,
    BitSelect "bit-select" "One bit, by a constant or not." None,
    PartSelect "part-select" "`[7:4]`." None,
    IndexedSelect "indexed-select" "`[i +: 4]` and `[i -: 4]`." None,
    OutOfRange "out-of-range" "Constant selects that leave their vector." None,
    UnknownLiteral "unknown-literal" "Literals with x and z." None,
    FillLiteral "fill-literal" "`'0`, `'1`, `'x`, `'z`." None,
    SignedCall "signed-call" "`$signed`, `$unsigned`." None,
    SizeCast "size-cast" "`5'(a)`." None,
    TypeCast "type-cast" "`int'(a)`, `byte'(a)`." None,
    SignCast "sign-cast" "`signed'(a)`." Some("syntax error in continuous assignment"),
    Inside "inside" "`a inside {1, [3:5]}`." Some("sorry: \"inside\" expressions not supported yet."),
    Streaming "streaming" "`{<<4{a}}`." Some("sorry: Streaming concatenation not supported."),
    Implication "implication" "`->` and `<->`." Some("syntax error in continuous assignment"),
    BitFunctions "bit-functions" "`$countones`, `$onehot`, `$onehot0`, `$isunknown`." None,
    CeilLog2 "clog2" "`$clog2` of what is no constant." None,
    AscendingRange "ascending-range" "`[0:7]`." None,
    OffsetRange "offset-range" "`[9:2]`, `[3:-4]`." None,
    PackedArray "packed-array" "`logic [3:0][7:0]`." None,
    Struct "struct" "Packed structures." None,
    Union "union" "Packed unions." None,
    Enum "enum" "Enumerations." None,
    TwoState "two-state" "`bit`, `int` and their like." None,
    Integer "integer" "`integer`." None,
    Array "array" "Arrays of one dimension that combinational code fills." None,
    Memory "memory" "Arrays that a clock writes." None,
    TwoDimensions "two-dimensions" "Arrays of two dimensions." None,
    ArrayPattern "array-pattern" "`m = '{a, b}` and `m = n`." Some("error: Cannot assign to array m. Did you forget a word index?"),
    Parameter "parameter" "Parameters, their values in an instance too." None,
    InitialValue "initial-value" "Values in declarations." None,
    InitialBlock "initial-block" "`initial`." None,
    If "if" "`if`, `else`." None,
    Case "case" "`case`." None,
    CaseZ "casez" "`casez`." None,
    CaseX "casex" "`casex`." None,
    CaseInside "case-inside" "`case … inside`." Some("syntax error"),
    UniqueCase "unique-case" "`unique`, `unique0`, `priority` before `case`." None,
    UniqueIf "unique-if" "The same before `if`." Some("syntax error"),
    For "for" "`for`." None,
    While "while" "`while`, `do`." None,
    Repeat "repeat" "`repeat`." None,
    Jump "jump" "`break`, `continue`." Some("sorry: break statements not supported."),
    Return "return" "`return`." None,
    Disable "disable" "`disable` of a block around it." None,
    Compound "compound" "`+=` and its like, `++`." None,
    LocalVariable "local-variable" "Variables of a block." None,
    ConcatTarget "concat-target" "`{a, b} = …`." None,
    SelectTarget "select-target" "`a[i] = …`, `a[i +: 3] = …`." None,
    AlwaysComb "always-comb" "`always_comb`." None,
    AlwaysStar "always-star" "`always @*`." None,
    AlwaysList "always-list" "`always @(a or b)`." None,
    Clock "clock" "Registers." None,
    SeveralClocks "several-clocks" "More than one clock." None,
    Negedge "negedge" "Falling edges." None,
    BothEdges "both-edges" "`@(posedge c or negedge c)`, `@(c)`." None,
    EdgeKeyword "edge-keyword" "`@(edge c)`." Some("error: Malformed event control expression."),
    Iff "iff" "`@(posedge c iff e)`." Some("error: Malformed event control expression."),
    AsyncReset "async-reset" "Asynchronous resets." None,
    SyncReset "sync-reset" "Synchronous resets." None,
    Temporary "temporary" "Blocking assignments in a clocked process to variables of its own." None,
    LooseRegister "loose-register" "Registers by blocking assignments, read by outputs alone." None,
    Latch "latch" "Latches." None,
    LatchedMemory "latched-memory" "Arrays of latches." None,
    GatedClock "gated-clock" "`clk & en`, with and without a latch." None,
    DividedClock "divided-clock" "A register as a clock." None,
    ClockAsData "clock-as-data" "Clocks in expressions for outputs." None,
    Function "function" "Functions, automatic and static." None,
    Task "task" "Tasks, automatic and static." None,
    GenerateFor "generate-for" "Generate loops." None,
    GenerateIf "generate-if" "Generate conditions and cases." None,
    Instance "instance" "Instances." None,
    InstanceArray "instance-array" "Arrays of instances." None,
    NonAnsi "non-ansi" "Ports declared in the body." None,
    Gate "gate" "Gates." None,
    SwitchGate "switch-gate" "`bufif1`, `nmos` and their like." None,
    Tristate "tristate" "Nets with several drivers." None,
    WiredNet "wired-net" "`wand`, `wor`, `tri0`, `tri1`." None,
}

/// A choice of families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families(u128);

impl Families {
    /// All of them.
    pub fn all() -> Families {
        Families(Family::ALL.iter().fold(0, |all, &family| all | 1 << family as u32))
    }

    /// None.
    pub fn none() -> Families {
        Families(0)
    }

    /// Whether a family is among them.
    pub fn has(&self, family: Family) -> bool {
        self.0 >> family as u32 & 1 == 1
    }

    /// The same with a family.
    pub fn with(self, family: Family) -> Families {
        Families(self.0 | 1 << family as u32)
    }

    /// The same without a family.
    pub fn without(self, family: Family) -> Families {
        Families(self.0 & !(1 << family as u32))
    }

    /// The families of both.
    pub fn union(self, other: Families) -> Families {
        Families(self.0 | other.0)
    }

    /// The families in order.
    pub fn iter(&self) -> impl Iterator<Item = Family> + '_ {
        Family::ALL.iter().copied().filter(|&family| self.has(family))
    }
}
