//! Whether the write-ahead log is whole.
//!
//! SQLite reads its log up to the first frame whose checksum is wrong and drops the rest, because
//! that is what a crash leaves behind: the one transaction that was being written. Damage before
//! that looks the same to it, and everything acknowledged after the damage would be gone without a
//! word. The difference can be seen: each transaction is synced before the next begins, so behind a
//! frame that a crash has torn there is at most one end of a transaction, its own. Two are damage.
//!
//! What cannot be seen is a log that was cut off between two transactions, or deleted.
//!
//! The format: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The magic number of a log whose checksums read their words in little-endian order; one more
/// means big-endian.
const MAGIC: u32 = 0x377f_0682;

/// Reads the log through: `Err` inside says what is wrong with it.
pub(super) fn examine(path: &Path) -> io::Result<Result<(), String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ok(())),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    if length <= (LOG_HEADER + FRAME_HEADER) as u64 {
        // No transaction fits in it.
        return Ok(Ok(()));
    }
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut header = [0; LOG_HEADER];
    reader.read_exact(&mut header)?;
    let Some(mut log) = Log::begin(&header) else {
        return Ok(Err("the header of its write-ahead log is broken".into()));
    };
    let mut frame = vec![0; FRAME_HEADER + log.page_size];
    let mut torn_at = None;
    let mut ends_behind = 0;
    for number in 1_u64.. {
        if !fill(&mut reader, &mut frame)? {
            break;
        }
        // Frames of the log's earlier rounds may follow; they have other salts.
        let salts_match = frame.get(8..16) == Some(&log.salts[..]);
        if torn_at.is_none() && !(salts_match && log.checks(&frame)) {
            torn_at = Some(number);
        }
        let ends_transaction = frame.get(4..8).is_some_and(|size| size != [0; 4]);
        if torn_at.is_some() && salts_match && ends_transaction {
            ends_behind += 1;
        }
    }
    Ok(match torn_at {
        Some(number) if ends_behind > 1 => Err(format!(
            "frame {number} of its write-ahead log is broken, and {ends_behind} transactions that \
             were written after it cannot be read"
        )),
        _ => Ok(()),
    })
}

/// Reads a whole frame; false at the end.
fn fill(reader: &mut impl Read, frame: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(frame) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The running checksum of a log.
struct Log {
    page_size: usize,
    salts: [u8; 8],
    big_endian: bool,
    sum: (u32, u32),
}

impl Log {
    fn begin(header: &[u8; LOG_HEADER]) -> Option<Self> {
        let magic = be(header, 0)?;
        let page_size = usize::try_from(be(header, 8)?).ok()?;
        let mut log = Self {
            page_size,
            salts: header.get(16..24)?.try_into().ok()?,
            big_endian: magic == MAGIC + 1,
            sum: (0, 0),
        };
        log.add(header.get(..24)?);
        let sound = magic & !1 == MAGIC
            && page_size.is_power_of_two()
            && (512..=65_536).contains(&page_size)
            && log.sum == (be(header, 24)?, be(header, 28)?);
        sound.then_some(log)
    }

    /// Whether a frame's checksum continues the log.
    fn checks(&mut self, frame: &[u8]) -> bool {
        let (Some(head), Some(page)) = (frame.get(..8), frame.get(FRAME_HEADER..)) else {
            return false;
        };
        self.add(head);
        self.add(page);
        (be(frame, 16), be(frame, 20)) == (Some(self.sum.0), Some(self.sum.1))
    }

    fn add(&mut self, bytes: &[u8]) {
        let word = |bytes: [u8; 4]| {
            if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        let (mut first, mut second) = self.sum;
        for pair in bytes.as_chunks::<8>().0 {
            let [a, b, c, d, e, f, g, h] = *pair;
            first = first.wrapping_add(word([a, b, c, d])).wrapping_add(second);
            second = second.wrapping_add(word([e, f, g, h])).wrapping_add(first);
        }
        self.sum = (first, second);
    }
}

/// The big-endian number at an offset.
fn be(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}
