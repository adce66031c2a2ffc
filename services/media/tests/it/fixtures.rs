//! Files as people and attackers make them.

use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

/// What a camera wrote into a picture and nobody else is to read.
pub const SECRET: &[u8] = b"48.8584N 2.2945E";
/// The same latitude as a camera's GPS receiver writes it: 48 degrees, 51 minutes and 30.24 seconds, as little-endian
/// fractions.
pub const LATITUDE: &[u8] = b"\x30\0\0\0\x01\0\0\0\x33\0\0\0\x01\0\0\0\xd0\x0b\0\0\x64\0\0\0";
/// Where a phone says that a film was made, as ffprobe tells it.
pub const FILM_PLACE: &str = "+48.1000-011.5000/";
/// The EXIF orientation of a camera that was held upright: the picture is to be turned by 90 degrees.
pub const TURNED: u8 = 6;
pub const UPRIGHT: u8 = 1;

/// A picture of so many pixels with the left half red and the right half blue.
pub fn halves(width: u32, height: u32) -> DynamicImage {
    let color = |x, _| if x < width / 2 { Rgb([200, 30, 30]) } else { Rgb([30, 30, 200]) };
    RgbImage::from_fn(width, height, color).into()
}

pub fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A small picture that differs by `seed`.
pub fn png(seed: &[u8]) -> Vec<u8> {
    let picture = RgbImage::from_fn(16, 12, |x, y| {
        let byte = seed.get(usize::try_from(x + y).unwrap() % seed.len().max(1)).copied().unwrap_or(0);
        Rgb([byte, byte ^ 0x55, byte.wrapping_mul(3)])
    });
    encoded(&picture.into(), ImageFormat::Png)
}

/// Exif with an orientation, a comment that holds [`SECRET`], and a GPS directory that holds [`LATITUDE`].
fn exif(orientation: u8) -> Vec<u8> {
    // Behind the header (8 bytes) and a directory of three entries.
    let comment_at = 8 + 2 + 3 * 12 + 4;
    let secret_bytes = u32::try_from(SECRET.len()).unwrap();
    let gps_at = comment_at + secret_bytes;
    let latitude_at = gps_at + 2 + 2 * 12 + 4;
    let mut tiff = b"II*\0\x08\0\0\0\x03\0".to_vec();
    tiff.extend(exif_entry(0x010e, 2, secret_bytes, comment_at));
    tiff.extend(exif_entry(0x0112, 3, 1, u32::from(orientation)));
    tiff.extend(exif_entry(0x8825, 4, 1, gps_at));
    tiff.extend([0; 4]);
    tiff.extend(SECRET);
    tiff.extend([2, 0]);
    tiff.extend(exif_entry(1, 2, 2, u32::from(b'N')));
    tiff.extend(exif_entry(2, 5, 3, latitude_at));
    tiff.extend([0; 4]);
    tiff.extend(LATITUDE);
    tiff
}

/// One value of an Exif directory: its tag, its type, how many there are, and the value or where it is.
fn exif_entry(tag: u16, format: u16, count: u32, value: u32) -> Vec<u8> {
    [&tag.to_le_bytes()[..], &format.to_le_bytes(), &count.to_le_bytes(), &value.to_le_bytes()].concat()
}

/// The same picture as a camera writes it.
pub fn with_exif(bytes: Vec<u8>, format: ImageFormat, orientation: u8) -> Vec<u8> {
    let exif = exif(orientation);
    let bytes = match format {
        ImageFormat::Jpeg => {
            let length = u16::try_from(exif.len() + 8).unwrap().to_be_bytes();
            [&bytes[..2], &[0xff, 0xe1], &length, b"Exif\0\0", &exif, &bytes[2..]].concat()
        }
        // Behind the header, which ends at byte 33.
        ImageFormat::Png => [&bytes[..33], &png_chunk(b"eXIf", &exif), &bytes[33..]].concat(),
        _ => webp_with(&bytes, &exif),
    };
    assert!(holds(&bytes, SECRET) && holds(&bytes, LATITUDE));
    bytes
}

fn png_chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [name, data].concat();
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&length[..], &named, &crc32(&named).to_be_bytes()].concat()
}

/// A lossless WebP in the extended form, which may hold Exif.
fn webp_with(bytes: &[u8], exif: &[u8]) -> Vec<u8> {
    let chunk = |name: &[u8; 4], data: &[u8]| {
        let length = u32::try_from(data.len()).unwrap().to_le_bytes();
        [&name[..], &length, data, &[0][..data.len() % 2]].concat()
    };
    let picture = image::load_from_memory(bytes).unwrap();
    let mut header = vec![0b0000_1000, 0, 0, 0];
    header.extend(&(picture.width() - 1).to_le_bytes()[..3]);
    header.extend(&(picture.height() - 1).to_le_bytes()[..3]);
    let chunks = [&b"WEBP"[..], &chunk(b"VP8X", &header), &bytes[12..], &chunk(b"EXIF", exif)].concat();
    chunk(b"RIFF", &chunks)
}

pub fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// A PNG of a few bytes that says it has `width` by `height` pixels.
pub fn huge_png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png(b"x");
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let checksum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// A WebP of a few bytes with a canvas of 16,383 by 16,383.
pub fn huge_webp() -> Vec<u8> {
    let mut bytes = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f".to_vec();
    // 14 bits of width less one, 14 of height less one.
    bytes.extend((16_382_u32 | 16_382 << 14).to_le_bytes());
    bytes.extend([0; 9]);
    bytes
}

/// A GIF of a few bytes with a canvas of 65,535 by 65,535.
pub fn huge_gif() -> Vec<u8> {
    let mut bytes = encoded(&halves(4, 4), ImageFormat::Gif);
    bytes[6..10].copy_from_slice(&[0xff; 4]);
    bytes
}

/// A JPEG of a few hundred bytes that says it has `width` by `height` pixels.
pub fn huge_jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = encoded(&halves(16, 16), ImageFormat::Jpeg);
    // The frame header of baseline JPEG: its marker, its length, 8 bits a sample; height comes before width.
    let header = b"\xff\xc0\0\x11\x08";
    let place = bytes.windows(header.len()).position(|window| window == header).unwrap() + header.len();
    bytes[place..place + 2].copy_from_slice(&height.to_be_bytes());
    bytes[place + 2..place + 4].copy_from_slice(&width.to_be_bytes());
    bytes
}

/// An animation of so many frames of one pixel, 15 bytes each.
pub fn gif_of(frame_count: usize) -> Vec<u8> {
    let header = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff";
    let frame = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    [&header[..], &frame.repeat(frame_count), b"\x3b"].concat()
}

/// A film whose container says 64 by 48, and whose frames say so, too, but for those behind the first two: 16,000 by 12,000.
pub fn film_that_grows() -> Vec<u8> {
    let input = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=2:duration=12", "-c:v", "libvpx", "-g", "1"];
    let mut bytes = recorded(&input, "webm");
    // RFC 6386, section 9.1: the start code of a key frame, its width, its height.
    let places = bytes.windows(3).enumerate().filter(|(_, window)| window == b"\x9d\x01\x2a");
    let places: Vec<usize> = places.map(|(place, _)| place + 3).collect();
    assert_eq!(places.len(), 24, "each frame is a key frame");
    for place in &places[2..] {
        bytes[*place..place + 2].copy_from_slice(&16_000_u16.to_le_bytes());
        bytes[place + 2..place + 4].copy_from_slice(&12_000_u16.to_le_bytes());
    }
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// What ffmpeg makes with these arguments, before the name of a file with this ending.
pub fn recorded(arguments: &[&str], ending: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(format!("made.{ending}"));
    let made = Command::new("ffmpeg").args(["-v", "error", "-nostdin"]).args(arguments).arg(&file).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::read(file).unwrap()
}

/// Two seconds of moving pictures with sound, 320 by 240, with a place in its metadata.
pub fn film() -> Vec<u8> {
    let place = format!("comment={}", std::str::from_utf8(SECRET).unwrap());
    let input =
        ["-f", "lavfi", "-i", "testsrc=size=320x240:rate=10:duration=2", "-f", "lavfi", "-i", "sine=duration=2"];
    let output = ["-c:v", "mpeg4", "-c:a", "aac", "-metadata", &place, "-metadata", "location=+48.1-011.5/"];
    let bytes = recorded(&[&input[..], &output[..]].concat(), "mp4");
    assert!(holds(&bytes, SECRET));
    bytes
}

/// A second of silence and a second of a tone.
pub fn voice(ending: &str) -> Vec<u8> {
    let tone = "aevalsrc='if(gte(t,1),0.8*sin(2*PI*440*t),0)':s=48000:d=2";
    recorded(&["-f", "lavfi", "-i", tone, "-metadata", "comment=48.8584N 2.2945E"], ending)
}

/// What ffprobe says of a file.
pub fn probed(bytes: &[u8], dir: &Path) -> serde_json::Value {
    let file = dir.join("probed");
    std::fs::write(&file, bytes).unwrap();
    let arguments = ["-v", "error", "-print_format", "json", "-show_format", "-show_streams"];
    let told = Command::new("ffprobe").args(arguments).arg(&file).output().unwrap();
    serde_json::from_slice(&told.stdout).unwrap()
}
