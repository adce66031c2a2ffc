//! MP3 without a tag before it, by its frames (ISO/IEC 11172-3, 2.4.1.3 and ISO/IEC 13818-3; MPEG-2.5 as encoders write it).

/// In thousands a second, by `bitrate_index` from 1 on: of MPEG-1, and of the lower rates.
const BIT_RATES: [usize; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const LOW_BIT_RATES: [usize; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
/// By `sampling_frequency` of MPEG-1; half of it of MPEG-2, a quarter of MPEG-2.5.
const RATES: [usize; 3] = [44_100, 48_000, 32_000];
const LAYER_III: u8 = 0b01;

/// Whether bytes begin with two frames of one stream: eleven set bits alone are found in many a file.
pub fn begins(head: &[u8]) -> bool {
    let Some(first) = Frame::read(head) else { return false };
    head.get(first.bytes..).and_then(Frame::read).is_some_and(|second| second.stream == first.stream)
}

struct Frame {
    /// With its header.
    bytes: usize,
    /// What does not change from frame to frame: the version and the rate.
    stream: (u8, u8),
}

impl Frame {
    fn read(bytes: &[u8]) -> Option<Self> {
        let &[a, b, c, _] = bytes.first_chunk()?;
        if a != 0xff || (b & 0xe0) != 0xe0 || ((b >> 1) & 0b11) != LAYER_III {
            return None;
        }
        let (version, rate_index) = ((b >> 3) & 0b11, (c >> 2) & 0b11);
        let (bit_rates, samples, divisor) = match version {
            0b11 => (BIT_RATES, 1_152, 1),
            0b10 => (LOW_BIT_RATES, 576, 2),
            0b00 => (LOW_BIT_RATES, 576, 4),
            _ => return None,
        };
        let rate = RATES.get(usize::from(rate_index))? / divisor;
        // Neither "free", which tells no length, nor "bad".
        let bit_rate = bit_rates.get(usize::from(c >> 4).checked_sub(1)?)? * 1_000;
        let padding = usize::from((c >> 1) & 1);
        Some(Self { bytes: samples / 8 * bit_rate / rate + padding, stream: (version, rate_index) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two frames as of a stream; each has `bytes` with its header.
    fn two(header: [u8; 4], bytes: usize) -> Vec<u8> {
        let mut frame = header.to_vec();
        frame.resize(bytes, 0);
        frame.repeat(2)
    }

    #[test]
    fn streams_of_every_version_are_known_by_two_frames() {
        for (name, header, bytes) in [
            ("MPEG-1, 128 kbit/s at 44.1 kHz", [0xff, 0xfb, 0x90, 0x64], 417),
            ("the same with padding", [0xff, 0xfb, 0x92, 0x64], 418),
            ("the same with checksums", [0xff, 0xfa, 0x90, 0x64], 417),
            ("MPEG-2, 64 kbit/s at 22.05 kHz", [0xff, 0xf3, 0x80, 0xc4], 208),
            ("MPEG-2.5, 8 kbit/s at 8 kHz", [0xff, 0xe3, 0x18, 0xc4], 72),
        ] {
            let stream = two(header, bytes);
            assert!(begins(&stream), "{name}");
            assert!(!begins(&stream[1..]) && !begins(&stream[..bytes + 3]), "{name}");
            assert!(!begins(&two(header, bytes + 1)), "{name}: the second frame is not where it must be");
        }
    }

    #[test]
    fn what_only_looks_like_a_frame_is_none() {
        for (name, header, bytes) in [
            ("bare AAC", [0xff, 0xf1, 0x50, 0x80], 417),
            ("layer II", [0xff, 0xfd, 0x90, 0x64], 417),
            ("no version", [0xff, 0xeb, 0x90, 0x64], 417),
            ("no rate", [0xff, 0xfb, 0x9c, 0x64], 417),
            ("a free bit rate", [0xff, 0xfb, 0x00, 0x64], 417),
            ("a bad bit rate", [0xff, 0xfb, 0xf0, 0x64], 417),
            ("UTF-16", [0xff, 0xfe, 0x41, 0x00], 4),
        ] {
            assert!(!begins(&two(header, bytes)), "{name}");
        }
        let mut of_two = two([0xff, 0xfb, 0x90, 0x64], 417);
        of_two[417 + 2] = 0x94;
        assert!(!begins(&of_two), "the second frame is of another rate");
        assert!(!begins(b"") && !begins(b"\xff\xfb"));
    }
}
