//! What a scan may cost, with the reason for each number.

/// What the scan of one file may cost, everything inside of it included.
///
/// Defaults ([`Limits::CLAMAV`]) are those of ClamAV 1.4 under its names, so that both scanners end
/// at the same place; where it has none, or has a clock, the number is ours and says so. Sizes are
/// bytes. A limit of zero means zero: ClamAV's "0 disables the limit" is a hole that bombs wait for.
///
/// Memory follows from these: one member holds at most [`Limits::max_file_size`] bytes of output,
/// its decoder a window no larger than that, and whoever keeps members open while he looks into
/// them holds one for each layer, at most [`Limits::max_scan_size`] in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `MaxScanSize`: unpacked bytes in all, the content of every member at every depth. Members
    /// that are stored as they are count as well, since they are scanned.
    pub max_scan_size: u64,
    /// `MaxFileSize`: unpacked bytes of one member. What lies before it is given and scanned;
    /// ClamAV leaves out the whole member.
    pub max_file_size: u64,
    /// `MaxFiles`: members in all. ClamAV counts them for each file that it was asked to scan, as
    /// here.
    pub max_files: u64,
    /// `MaxRecursion`: layers, of which the scanned file itself is the first.
    pub max_recursion: u32,
    /// Unpacked bytes in all for each byte of the scanned file, beyond
    /// [`Limits::RATIO_FREE`]. Ours; ClamAV gave its own up. One layer of deflate cannot exceed
    /// 1,032, so what does is nested or of a format that folds runs without end, and a small file
    /// that wants so much work wants it for the work's sake.
    pub max_ratio: u64,
    /// Units of work, instead of `MaxScanTime`: this crate has no clock, and a scan should end at
    /// the same place on every machine. A step is a header looked at, or 4 KiB read or made by a
    /// decoder. The slowest decoder makes some 8,000 in a second, hence 120 s of it.
    pub max_steps: u64,
}

impl Limits {
    /// The defaults of ClamAV 1.4.
    pub const CLAMAV: Self = Self {
        max_scan_size: 400 * MB,
        max_file_size: 100 * MB,
        max_files: 10_000,
        max_recursion: 17,
        max_ratio: 1_100,
        max_steps: 1_000_000,
    };

    /// Unpacked bytes that no ratio is asked of: 32 MiB, a small disk image of zeros. Less than a
    /// second of work, whoever sends it.
    pub const RATIO_FREE: u64 = 32 << 20;
}

impl Default for Limits {
    fn default() -> Self {
        Self::CLAMAV
    }
}

/// ClamAV's `M`, which is 2^20.
const MB: u64 = 1 << 20;
