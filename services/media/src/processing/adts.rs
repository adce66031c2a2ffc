//! Bare AAC: frames one after the other, each behind a header of its own (ISO/IEC 14496-3, 1.A.2.2), and nothing that tells
//! how many.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read as _};
use std::path::Path;

const HEADER_BYTES: usize = 7;
/// A raw data block has 1,024 samples at the rate that the header names, also of HE-AAC, which is heard at twice the rate.
const SAMPLES_A_BLOCK: u64 = 1_024;
/// By `sampling_frequency_index`, a second.
const RATES: [u64; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// How long a file plays, in milliseconds, if it is frames of one rate to its last byte; `None` for any other. Blocks.
pub fn duration_ms(file: &Path) -> io::Result<Option<u64>> {
    let file = File::open(file)?;
    let size_bytes = file.metadata()?.len();
    let mut reader = BufReader::new(file);
    let (mut at, mut samples, mut rate) = (0_u64, 0_u64, None);
    while at < size_bytes {
        let mut header = [0; HEADER_BYTES];
        match reader.read_exact(&mut header) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let Some(frame) = Frame::read(header).filter(|frame| *rate.get_or_insert(frame.rate) == frame.rate) else {
            return Ok(None);
        };
        samples += frame.samples;
        at += u64::from(frame.bytes);
        reader.seek_relative(i64::from(frame.bytes) - 7)?;
    }
    Ok(rate.filter(|_| at == size_bytes).map(|rate| samples * 1_000 / rate))
}

struct Frame {
    rate: u64,
    samples: u64,
    /// With its header.
    bytes: u16,
}

impl Frame {
    fn read([a, b, c, d, e, f, g]: [u8; HEADER_BYTES]) -> Option<Self> {
        // Twelve bits are set, and the layer is none.
        if a != 0xff || (b & 0xf6) != 0xf0 {
            return None;
        }
        let bytes = (u16::from(d & 0x03) << 11) | (u16::from(e) << 3) | u16::from(f >> 5);
        if usize::from(bytes) < HEADER_BYTES {
            return None;
        }
        let rate = *RATES.get(usize::from((c >> 2) & 0x0f))?;
        Some(Self { rate, samples: SAMPLES_A_BLOCK * (u64::from(g & 0x03) + 1), bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At 48 kHz, with a body of so many bytes.
    fn frame(body_bytes: u16, blocks: u8) -> Vec<u8> {
        let [high, low] = (body_bytes + 7).to_be_bytes();
        let header = [0xff, 0xf1, 3 << 2, high >> 3, (high << 5) | (low >> 3), (low << 5) | 0x1f, 0xfc | (blocks - 1)];
        [&header[..], &vec![0xff; body_bytes.into()]].concat()
    }

    fn measured(bytes: &[u8]) -> Option<u64> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("made");
        std::fs::write(&file, bytes).unwrap();
        duration_ms(&file).unwrap()
    }

    #[test]
    fn frames_are_counted() {
        let frames: Vec<u8> = (0..90).flat_map(|place| frame(place * 80, 1)).collect();
        assert_eq!(measured(&frames), Some(90 * 1_024 * 1_000 / 48_000));
        assert_eq!(measured(&frame(100, 4)), Some(4 * 1_024 * 1_000 / 48_000));
    }

    #[test]
    fn what_is_not_frames_to_the_end_has_no_length() {
        let two = frame(50, 1).repeat(2);
        let mut of_another_rate = two.clone();
        of_another_rate[57 + 2] = 4 << 2;
        let mut too_short = two.clone();
        too_short[57 + 4] = 0;
        too_short[57 + 5] = 0x1f;
        for bytes in [
            &b""[..],
            &two[..10],
            &two[..60],
            &two[..two.len() - 1],
            &[&two[..], b"TAG"].concat(),
            &of_another_rate,
            &too_short,
        ] {
            assert_eq!(measured(bytes), None, "{} bytes", bytes.len());
        }
    }
}
