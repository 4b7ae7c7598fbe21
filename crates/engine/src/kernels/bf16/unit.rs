//! The matrix unit of the processor (AMX): whether there is one, and its tiles while a kernel runs.
//!
//! Support is read from the processor, whose detection by the standard library is not stable, and leave to use the unit is asked of
//! the system once per process. A kernel loads the configuration of the tiles when it starts and gives them back when it ends,
//! so that other code of the process may use the unit in between.
#![allow(unsafe_code)]

/// Whether the processor has tiles of bf16 with the conversions beside them, and the system lets this process use them.
pub fn available() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    {
        use std::sync::OnceLock;
        static AVAILABLE: OnceLock<bool> = OnceLock::new();
        *AVAILABLE.get_or_init(|| supported() && permitted())
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    false
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn supported() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
    #[target_feature(enable = "xsave")]
    fn tiles_are_saved() -> bool {
        // SAFETY: the processor has the instruction where the system has switched it on, which was checked.
        let states = unsafe { _xgetbv(0) };
        states >> 17 & 3 == 3
    }
    let vectors = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bf16");
    if !vectors || __cpuid(0).eax < 7 || __cpuid(1).ecx >> 27 & 1 == 0 {
        return false;
    }
    let features = __cpuid_count(7, 0).edx;
    // Bit 22: products of bf16; bit 24: tiles.
    // SAFETY: bit 27 of leaf 1 says that the system has switched the instruction on.
    features >> 22 & 1 == 1 && features >> 24 & 1 == 1 && unsafe { tiles_are_saved() }
}

/// Asks the system for the tiles' state; all threads of the process have it afterwards.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_STATE: i64 = 0x1023;
    const TILES: i64 = 18;
    let mut result = ARCH_PRCTL;
    // SAFETY: the call reads two numbers and touches no memory of the process; the registers it overwrites are named.
    unsafe {
        std::arch::asm!(
            "syscall",
            inout("rax") result,
            in("rdi") REQUEST_STATE,
            in("rsi") TILES,
            out("rcx") _,
            out("r11") _,
            options(nostack)
        );
    }
    result == 0
}

/// The tiles, configured as eight of 16 rows of 64 bytes. Dropping gives them back.
pub(super) struct Tiles(());

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes_per_row: [u16; 16],
    rows: [u8; 16],
}

impl Tiles {
    /// Configures the tiles of this thread.
    ///
    /// # Panics
    /// Where the unit is not [`available`].
    pub fn configure() -> Self {
        assert!(available(), "the processor has no matrix unit");
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        {
            let (mut bytes_per_row, mut rows) = ([0; 16], [0; 16]);
            bytes_per_row[..8].fill(64);
            rows[..8].fill(16);
            let configuration = Configuration { palette: 1, start_row: 0, reserved: [0; 14], bytes_per_row, rows };
            // SAFETY: the unit is available, and the configuration is one of palette 1 with eight whole tiles.
            unsafe { std::arch::asm!("ldtilecfg [{}]", in(reg) &raw const configuration, options(nostack, readonly)) };
        }
        Self(())
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: a value of this type exists only where the unit is available.
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        unsafe {
            std::arch::asm!(
                "tilerelease",
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, nomem)
            );
        }
    }
}
