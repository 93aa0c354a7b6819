//! The boards: which chip each has, how its tools are told so, and how it is spoken to.
//!
//! What a board's chip holds around the harness stands in `fpga/<board>/`; this table repeats of it what the host
//! needs. Capacities are what place and route was measured to fill, not what a data sheet counts.

/// A family of chips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// iCE40 HX.
    Hx,
    /// iCE40 UltraPlus.
    Up,
    /// ECP5.
    Ecp5,
}

impl Family {
    /// The name that the synthesis driver knows.
    pub fn name(self) -> &'static str {
        match self {
            Family::Hx | Family::Up => "ice40",
            Family::Ecp5 => "ecp5",
        }
    }

    /// Yosys's name of the kind of chip, which decides about timing and carries.
    pub fn device(self) -> &'static str {
        match self {
            Family::Hx => "hx",
            Family::Up => "u",
            Family::Ecp5 => "",
        }
    }

    /// Whether bitstreams can be decoded to a netlist again.
    pub fn decodes(self) -> bool {
        self != Family::Ecp5
    }
}

/// A board.
#[derive(Debug)]
pub struct Board {
    /// Name on the command line, and of its folder.
    pub name: &'static str,
    /// Number in the register VERSION.
    pub number: u32,
    /// The chip's family.
    pub family: Family,
    /// What nextpnr is told of chip and package.
    pub device: &'static [&'static str],
    /// Frequency of the harness's clock.
    pub hertz: u64,
    /// Baud rate of its link.
    pub baud: u32,
    /// Pins of the top module: clock, and the link's receiving and sending one.
    pub pins: [&'static str; 3],
    /// LUTs and control sets that place and route fills.
    pub luts: u32,
    /// Registers with one clock, enable and reset that it places.
    pub control_sets: u32,
    /// The top module.
    pub top: &'static str,
    /// Which pin each port is at.
    pub constraints: &'static str,
}

impl Board {
    /// Clocks of a bit on the link.
    pub fn divisor(&self) -> u32 {
        (self.hertz / u64::from(self.baud)) as u32
    }

    /// Finds a board by its name.
    pub fn named(name: &str) -> Option<&'static Board> {
        BOARDS.iter().find(|board| board.name == name)
    }
}

/// Pins of the top modules in `fpga/`.
const PINS: [&str; 3] = ["clk_i", "uart_rx_i", "uart_tx_o"];

/// All boards.
pub const BOARDS: &[Board] = &[
    Board {
        name: "icebreaker",
        number: 1,
        family: Family::Up,
        device: &["--up5k", "--package", "sg48"],
        hertz: 12_000_000,
        baud: 1_000_000,
        pins: PINS,
        luts: 5_000,
        control_sets: 500,
        top: include_str!("../../../fpga/icebreaker/top.sv"),
        constraints: include_str!("../../../fpga/icebreaker/pins.pcf"),
    },
    Board {
        name: "hx8k",
        number: 2,
        family: Family::Hx,
        device: &["--hx8k", "--package", "ct256"],
        hertz: 12_000_000,
        baud: 1_000_000,
        pins: PINS,
        luts: 7_000,
        control_sets: 800,
        top: include_str!("../../../fpga/hx8k/top.sv"),
        constraints: include_str!("../../../fpga/hx8k/pins.pcf"),
    },
    Board {
        name: "ulx3s",
        number: 3,
        family: Family::Ecp5,
        device: &["--85k", "--package", "CABGA381"],
        hertz: 25_000_000,
        baud: 1_000_000,
        pins: PINS,
        luts: 60_000,
        control_sets: 6_000,
        top: include_str!("../../../fpga/ulx3s/top.sv"),
        constraints: include_str!("../../../fpga/ulx3s/pins.lpf"),
    },
    Board {
        name: "ulx3s-25k",
        number: 3,
        family: Family::Ecp5,
        device: &["--25k", "--package", "CABGA381"],
        hertz: 25_000_000,
        baud: 1_000_000,
        pins: PINS,
        luts: 18_000,
        control_sets: 2_000,
        top: include_str!("../../../fpga/ulx3s/top.sv"),
        constraints: include_str!("../../../fpga/ulx3s/pins.lpf"),
    },
    Board {
        name: "colorlight-i5",
        number: 4,
        family: Family::Ecp5,
        device: &["--25k", "--package", "CABGA381", "--speed", "6"],
        hertz: 25_000_000,
        baud: 1_000_000,
        pins: PINS,
        luts: 18_000,
        control_sets: 2_000,
        top: include_str!("../../../fpga/colorlight-i5/top.sv"),
        constraints: include_str!("../../../fpga/colorlight-i5/pins.lpf"),
    },
];
