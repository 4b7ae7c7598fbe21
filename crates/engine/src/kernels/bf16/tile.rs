//! The micro-kernel of the matrix unit: up to two by two tiles of sums over the whole depth, in one block of assembly, so that no
//! tile lives between two of them.
#![allow(unsafe_code)]

use super::unit::Tiles;

/// Rows of a tile, and its columns of sums.
pub(super) const SIDE: usize = 16;
/// Values of the depth that one multiplication of tiles takes.
pub(super) const DEPTH: usize = 32;
/// Halves in a tile.
pub(super) const TILE: usize = SIDE * DEPTH;

/// Values of the depth that lie one after the other in memory, for every row at the same distance from the row's address.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Run {
    /// Bytes from a row's address.
    pub offset: usize,
    /// How many times [`DEPTH`] values.
    pub blocks: usize,
}

/// What a micro-kernel works on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operands {
    /// Address of the first row, bytes from row to row, and from the first tile of rows to the second.
    pub rows: *const u16,
    pub stride: usize,
    pub below: usize,
    /// The depth.
    pub runs: *const Run,
    pub count: usize,
    /// Tiles of the right-hand matrix: for each block of the depth as many as there are tiles of columns.
    pub panel: *const u16,
    /// Sums, bytes from row to row, and from the first tile of rows to the second.
    pub sums: *mut f32,
    pub sums_stride: usize,
    pub sums_below: usize,
    /// Whether products are added to the sums that are there.
    pub continues: bool,
}

/// Multiplies; `tiles` are `[of rows, of columns]`, one or two each.
///
/// # Safety
/// Readable: `runs[..count]`, `blocks * DEPTH` halves at the offset of every run in 16 rows of each of `tiles[0]` tiles, and as many tiles
/// of the panel as the blocks of all runs times `tiles[1]`. Writable, and initialised where they are continued: `16 * tiles[1]` sums in
/// 16 rows of each tile of rows. `count` and every `blocks` are at least one.
pub(super) unsafe fn multiply(_configured: &Tiles, tiles: [usize; 2], operands: &Operands) {
    // SAFETY: as the caller promises; the tiles are configured.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    unsafe {
        match (tiles, operands.continues) {
            ([2, 2], false) => two_by_two(operands),
            ([1, 2], false) => one_by_two(operands),
            ([2, 1], false) => two_by_one(operands),
            (_, false) => one_by_one(operands),
            ([2, 2], true) => two_by_two_more(operands),
            ([1, 2], true) => one_by_two_more(operands),
            ([2, 1], true) => two_by_one_more(operands),
            (_, true) => one_by_one_more(operands),
        }
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    let _ = (tiles, operands);
}

/// Multiplies tiles of zeros that stay where they are, four at a time, `steps` times: the limit of the unit.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) fn multiply_nothing(_configured: &Tiles, steps: u64) {
    // SAFETY: the tiles are configured, and no memory is touched.
    unsafe {
        std::arch::asm!(
            "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
            "tilezero tmm4", "tilezero tmm5", "tilezero tmm6", "tilezero tmm7",
            "2:",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "dec {steps}",
            "jnz 2b",
            steps = inout(reg) steps.max(1) => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack, nomem)
        );
    }
}

/// One micro-kernel, which begins with zeros or goes on with the sums that are there. Sums of the second tile of columns lie 64 bytes
/// on.
macro_rules! kernel {
    ($name:ident, $more:ident, $panel_step:literal, [$($zero:literal)*], [$($load:literal)*], $steps:tt, $stores:tt) => {
        kernel!($name, $panel_step, [$($zero)*], $steps, $stores);
        kernel!($more, $panel_step, [$($load)*], $steps, $stores);
    };
    ($name:ident, $panel_step:literal, [$($begin:literal)*], [$($step:literal)*], [$($store:literal)*]) => {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        #[inline(always)]
        unsafe fn $name(operands: &Operands) {
            let sums_below = operands.sums.wrapping_byte_add(operands.sums_below);
            // SAFETY: reads and writes are those the caller of `multiply` promises.
            unsafe {
                std::arch::asm!(
                    $($begin,)*
                    "2:",
                    "mov {first}, qword ptr [{runs}]",
                    "mov {blocks}, qword ptr [{runs} + 8]",
                    "add {first}, {rows}",
                    "lea {second}, [{first} + {below}]",
                    "3:",
                    $($step,)*
                    "add {first}, 64",
                    "add {second}, 64",
                    concat!("add {panel}, ", $panel_step),
                    "dec {blocks}",
                    "jnz 3b",
                    "add {runs}, 16",
                    "dec {count}",
                    "jnz 2b",
                    $($store,)*
                    "/* {sums_below} */",
                    rows = in(reg) operands.rows,
                    below = in(reg) operands.below,
                    stride = in(reg) operands.stride,
                    runs = inout(reg) operands.runs => _,
                    count = inout(reg) operands.count => _,
                    panel = inout(reg) operands.panel => _,
                    line = in(reg) 64_usize,
                    sums = in(reg) operands.sums,
                    sums_below = in(reg) sums_below,
                    sums_stride = in(reg) operands.sums_stride,
                    first = out(reg) _,
                    second = out(reg) _,
                    blocks = out(reg) _,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack)
                );
            }
        }
    };
}

kernel!(
    two_by_two,
    two_by_two_more,
    "2048",
    ["tilezero tmm0" "tilezero tmm1" "tilezero tmm2" "tilezero tmm3"],
    [
        "tileloadd tmm0, [{sums} + {sums_stride}]"
        "tileloadd tmm1, [{sums} + {sums_stride} + 64]"
        "tileloadd tmm2, [{sums_below} + {sums_stride}]"
        "tileloadd tmm3, [{sums_below} + {sums_stride} + 64]"
    ],
    [
        "tileloadd tmm6, [{panel} + {line}]"
        "tileloadd tmm4, [{first} + {stride}]"
        "tileloadd tmm7, [{panel} + {line} + 1024]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tileloadd tmm5, [{second} + {stride}]"
        "tdpbf16ps tmm1, tmm4, tmm7"
        "tdpbf16ps tmm2, tmm5, tmm6"
        "tdpbf16ps tmm3, tmm5, tmm7"
    ],
    [
        "tilestored [{sums} + {sums_stride}], tmm0"
        "tilestored [{sums} + {sums_stride} + 64], tmm1"
        "tilestored [{sums_below} + {sums_stride}], tmm2"
        "tilestored [{sums_below} + {sums_stride} + 64], tmm3"
    ]
);
kernel!(
    one_by_two,
    one_by_two_more,
    "2048",
    ["tilezero tmm0" "tilezero tmm1"],
    ["tileloadd tmm0, [{sums} + {sums_stride}]" "tileloadd tmm1, [{sums} + {sums_stride} + 64]"],
    [
        "tileloadd tmm6, [{panel} + {line}]"
        "tileloadd tmm4, [{first} + {stride}]"
        "tileloadd tmm7, [{panel} + {line} + 1024]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tdpbf16ps tmm1, tmm4, tmm7"
    ],
    ["tilestored [{sums} + {sums_stride}], tmm0" "tilestored [{sums} + {sums_stride} + 64], tmm1"]
);
kernel!(
    two_by_one,
    two_by_one_more,
    "1024",
    ["tilezero tmm0" "tilezero tmm2"],
    ["tileloadd tmm0, [{sums} + {sums_stride}]" "tileloadd tmm2, [{sums_below} + {sums_stride}]"],
    [
        "tileloadd tmm6, [{panel} + {line}]"
        "tileloadd tmm4, [{first} + {stride}]"
        "tileloadd tmm5, [{second} + {stride}]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tdpbf16ps tmm2, tmm5, tmm6"
    ],
    ["tilestored [{sums} + {sums_stride}], tmm0" "tilestored [{sums_below} + {sums_stride}], tmm2"]
);
kernel!(
    one_by_one,
    one_by_one_more,
    "1024",
    ["tilezero tmm0"],
    ["tileloadd tmm0, [{sums} + {sums_stride}]"],
    [
        "tileloadd tmm6, [{panel} + {line}]"
        "tileloadd tmm4, [{first} + {stride}]"
        "tdpbf16ps tmm0, tmm4, tmm6"
    ],
    ["tilestored [{sums} + {sums_stride}], tmm0"]
);
