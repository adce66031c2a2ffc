//! Takes out of a picture whatever is not needed to see it: where and with what it was taken, comments, previews, and
//! what somebody hung behind its end. The pixels stay as they are encoded. Only what is known to be needed is taken over.

use std::io::Cursor;

use image::ImageFormat;

use crate::domain::Rejection;

/// The most pictures of an animation.
const FRAMES_MAX: usize = 10_000;

/// The picture without metadata.
pub fn strip(bytes: &[u8], format: ImageFormat) -> Result<Vec<u8>, Rejection> {
    match format {
        ImageFormat::Jpeg => strip_jpeg(bytes).ok_or(Rejection::Broken),
        ImageFormat::Png => strip_png(bytes).ok_or(Rejection::Broken).and_then(|kept| bounded(kept, b"fcTL")),
        ImageFormat::WebP => strip_webp(bytes).ok_or(Rejection::Broken).and_then(|kept| bounded(kept, b"ANMF")),
        ImageFormat::Gif => strip_gif(bytes),
        _ => Err(Rejection::Type),
    }
}

/// The same bytes unless the name of a chunk that each frame of an animation has is in them more often than frames may be.
fn bounded(kept: Vec<u8>, frame: &[u8; 4]) -> Result<Vec<u8>, Rejection> {
    let count = kept.windows(frame.len()).filter(|window| window == frame).count();
    if count > FRAMES_MAX { Err(Rejection::Dimensions) } else { Ok(kept) }
}

// Markers of JPEG: ITU-T T.81, table B.1.
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const APP2: u8 = 0xe2;
const APP14: u8 = 0xee;
const APP15: u8 = 0xef;
const COM: u8 = 0xfe;

/// Segment by segment to the end of the image; between them, what encodes the pixels. `None` when it is cut.
fn strip_jpeg(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(&[0xff, SOI])?;
    let mut kept = vec![0xff, SOI];
    loop {
        // A marker is 0xff, any number of times, and its code.
        rest = rest.get(rest.iter().position(|byte| *byte == 0xff)?..)?;
        rest = rest.get(rest.iter().position(|byte| *byte != 0xff)?..)?;
        let (&marker, after) = rest.split_first()?;
        match marker {
            EOI => {
                kept.extend([0xff, EOI]);
                return Some(kept);
            }
            // They stand among pixels only, or begin another image.
            0x00 | 0x01 | 0xd0..=SOI => return None,
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes(*after.first_chunk()?));
        let (segment, after) = after.split_at_checked(length)?;
        if is_needed(marker, segment.get(2..)?) {
            kept.extend([0xff, marker]);
            kept.extend(segment);
        }
        rest = after;
        if marker == SOS {
            let (pixels, after) = rest.split_at_checked(end_of_scan(rest)?)?;
            kept.extend(pixels);
            rest = after;
        }
    }
}

/// Of the application segments, those that colours depend on: JFIF, an ICC profile, Adobe's transform.
fn is_needed(marker: u8, contents: &[u8]) -> bool {
    match marker {
        APP0 => contents.starts_with(b"JFIF\0"),
        APP2 => contents.starts_with(b"ICC_PROFILE\0"),
        APP14 => contents.starts_with(b"Adobe"),
        APP1..=APP15 | COM => false,
        _ => true,
    }
}

/// Where the next marker is that does not belong to the pixels: 0xff 0x00 is a byte of theirs, and 0xd0 to 0xd7 restart.
fn end_of_scan(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| matches!(pair, [0xff, code] if !matches!(code, 0x00 | 0xd0..=0xd7)))
}

const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// What is needed to see it: the picture, its colours, its animation.
const PNG_KEPT: &[&[u8; 4]] = &[
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT", b"pHYs",
    b"bKGD", b"acTL", b"fcTL", b"fdAT",
];
/// Of a chunk: its length, its name, its checksum.
const PNG_FRAME_BYTES: usize = 12;

/// Chunk by chunk to the last.
fn strip_png(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(PNG_SIGNATURE)?;
    let mut kept = PNG_SIGNATURE.to_vec();
    loop {
        let length = usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?;
        let (chunk, after) = rest.split_at_checked(length.checked_add(PNG_FRAME_BYTES)?)?;
        let name: &[u8; 4] = chunk.get(4..)?.first_chunk()?;
        if PNG_KEPT.contains(&name) {
            kept.extend(chunk);
        }
        if name == b"IEND" {
            return Some(kept);
        }
        rest = after;
    }
}

const WEBP_KEPT: &[&[u8; 4]] = &[b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"];
/// In the first byte of VP8X: there is Exif, there is XMP.
const WEBP_METADATA_FLAGS: u8 = 0b0000_1100;

/// Chunk by chunk, as far as the file says that it goes.
fn strip_webp(bytes: &[u8]) -> Option<Vec<u8>> {
    let after = bytes.strip_prefix(b"RIFF")?;
    let length = usize::try_from(u32::from_le_bytes(*after.first_chunk()?)).ok()?;
    let mut rest = after.get(4..length.checked_add(4)?)?.strip_prefix(b"WEBP")?;
    let mut kept = b"RIFF\0\0\0\0WEBP".to_vec();
    while !rest.is_empty() {
        let name: &[u8; 4] = rest.first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*rest.get(4..)?.first_chunk()?)).ok()?;
        let (chunk, after) = rest.split_at_checked(length.checked_add(8)?)?;
        if WEBP_KEPT.contains(&name) {
            let begin = kept.len();
            kept.extend(chunk);
            if name == b"VP8X" {
                *kept.get_mut(begin + 8)? &= !WEBP_METADATA_FLAGS;
            }
            // Chunks begin at even places.
            kept.extend(std::iter::repeat_n(0, length % 2));
        }
        rest = after.get(length % 2..).unwrap_or_default();
    }
    let length = u32::try_from(kept.len() - 8).ok()?;
    kept.get_mut(4..8)?.copy_from_slice(&length.to_le_bytes());
    Some(kept)
}

/// Frame by frame, as they are compressed; nothing between and behind them is taken over.
fn strip_gif(bytes: &[u8]) -> Result<Vec<u8>, Rejection> {
    let mut options = gif::DecodeOptions::new();
    options.skip_frame_decoding(true);
    let mut from = options.read_info(Cursor::new(bytes)).map_err(|_| Rejection::Broken)?;
    let (width, height) = (from.width(), from.height());
    let palette = from.global_palette().map(<[u8]>::to_vec).unwrap_or_default();
    let mut to = gif::Encoder::new(Vec::new(), width, height, &palette).map_err(|_| Rejection::Broken)?;
    let mut count = 0_usize;
    while let Some(frame) = from.read_next_frame().map_err(|_| Rejection::Broken)?.cloned() {
        if count == 0 {
            to.set_repeat(from.repeat()).map_err(|_| Rejection::Broken)?;
        }
        count += 1;
        if count > FRAMES_MAX {
            return Err(Rejection::Dimensions);
        }
        to.write_lzw_pre_encoded_frame(&frame).map_err(|_| Rejection::Broken)?;
    }
    if count == 0 {
        return Err(Rejection::Broken);
    }
    to.into_inner().map_err(|_| Rejection::Broken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_needed_to_see_it_is_left_out() {
        let jpeg =
            b"\xff\xd8\xff\xe0\0\x07JFIF\0\xff\xe1\0\x06Exif\xff\xfe\0\x04hi\xff\xff\xda\0\x03x\x01\xff\0\xff\xd0\x02\
            \xff\xc4\0\x02\xff\xe1\0\x03y\xff\xda\0\x02\x05\xff\xd9trailer";
        let expected = b"\xff\xd8\xff\xe0\0\x07JFIF\0\xff\xda\0\x03x\x01\xff\0\xff\xd0\x02\xff\xc4\0\x02\xff\xda\0\x02\x05\xff\xd9";
        assert_eq!(strip_jpeg(jpeg).unwrap(), expected);
        let webp = b"RIFF\x22\0\0\0WEBPVP8X\x01\0\0\0\x1c\0EXIF\x02\0\0\0xxVP8L\x02\0\0\0yytrailer";
        assert_eq!(strip_webp(webp).unwrap(), b"RIFF\x18\0\0\0WEBPVP8X\x01\0\0\0\x10\0VP8L\x02\0\0\0yy");
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\x01tEXtxcrc0\0\0\0\0IENDcrc1trailer";
        assert_eq!(strip_png(png).unwrap(), b"\x89PNG\r\n\x1a\n\0\0\0\0IENDcrc1");
    }

    #[test]
    fn animations_have_ten_thousand_frames_at_most() {
        let animation = |count: usize| {
            let frames = b"\0\0\0\0fcTLcrc1".repeat(count);
            [PNG_SIGNATURE, &frames, b"\0\0\0\0IENDcrc1"].concat()
        };
        assert!(strip(&animation(FRAMES_MAX), ImageFormat::Png).is_ok());
        assert_eq!(strip(&animation(FRAMES_MAX + 1), ImageFormat::Png), Err(Rejection::Dimensions));
    }

    proptest! {
        #[test]
        fn no_bytes_break_it_and_what_is_stripped_stays_so(
            head in 0..4_usize,
            bytes in prop::collection::vec(prop_oneof![Just(0xff_u8), Just(0), Just(0xda), any::<u8>()], 0..200),
        ) {
            let heads: [(&[u8], ImageFormat); 4] = [
                (b"\xff\xd8\xff\xe0\0\x07JFIF\0", ImageFormat::Jpeg),
                (PNG_SIGNATURE, ImageFormat::Png),
                (b"RIFF\x40\0\0\0WEBP", ImageFormat::WebP),
                (b"GIF89a\x02\0\x02\0\0\0\0", ImageFormat::Gif),
            ];
            let (head, format) = heads[head];
            if let Ok(stripped) = strip(&[head, &bytes].concat(), format) {
                prop_assert_eq!(strip(&stripped, format).unwrap(), stripped);
            }
        }
    }
}
