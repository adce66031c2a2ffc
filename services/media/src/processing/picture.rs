use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};

use super::{metadata, thumbnails};
use crate::domain::{Rejection, ThumbnailSize};

/// The longest side in pixels.
const SIDE_MAX: u32 = 16_384;
/// Of what a decoder may take for each pixel: four channels of 16 bits, and as much again to work with.
const BYTES_A_PIXEL: u64 = 16;
/// Of a picture that had to be turned and is written again.
const JPEG_QUALITY: u8 = 92;

/// What is seen in a picture.
pub struct Look {
    /// Pixels, as it is shown.
    pub width: u32,
    /// Pixels, as it is shown.
    pub height: u32,
    /// A blurred preview.
    pub blurhash: String,
    /// Small pictures, as WebP.
    pub thumbnails: Vec<(ThumbnailSize, Vec<u8>)>,
}

/// A picture without metadata, turned the way it is to be seen.
pub struct Cleaned {
    /// What is seen in it.
    pub look: Look,
    /// The file.
    pub bytes: Vec<u8>,
}

/// Looks at a picture of a type that was found in its bytes. Blocks, for as long as decoding takes.
pub fn look(bytes: &[u8], found: &str, max_pixels: u64) -> Result<Look, Rejection> {
    let (picture, _) = decode(bytes, format_of(found)?, max_pixels)?;
    seen(&picture)
}

/// The same, and makes the copy that people get. What can be left as it is, is: only a picture that lies on its side is
/// encoded again.
pub fn clean(bytes: Vec<u8>, found: &str, max_pixels: u64) -> Result<Cleaned, Rejection> {
    let format = format_of(found)?;
    let (picture, orientation) = decode(&bytes, format, max_pixels)?;
    let look = seen(&picture)?;
    let bytes = if orientation == Orientation::NoTransforms {
        metadata::strip(&bytes, format)?
    } else {
        drop(bytes);
        encode(&picture, format)?
    };
    Ok(Cleaned { look, bytes })
}

fn format_of(found: &str) -> Result<ImageFormat, Rejection> {
    match found {
        "image/jpeg" => Ok(ImageFormat::Jpeg),
        "image/png" => Ok(ImageFormat::Png),
        "image/gif" => Ok(ImageFormat::Gif),
        "image/webp" => Ok(ImageFormat::WebP),
        _ => Err(Rejection::Type),
    }
}

/// The pixels, if there are not too many: the header tells before anything is decoded, and the decoder is held to it.
fn decode(bytes: &[u8], format: ImageFormat, max_pixels: u64) -> Result<(DynamicImage, Orientation), Rejection> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(max_pixels.saturating_mul(BYTES_A_PIXEL));
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| rejection_of(&error))?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > max_pixels {
        return Err(Rejection::Dimensions);
    }
    // Metadata that cannot be read says nothing about how to turn it.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| rejection_of(&error))?;
    picture.apply_orientation(orientation);
    Ok((picture, orientation))
}

fn rejection_of(error: &image::ImageError) -> Rejection {
    match error {
        image::ImageError::Limits(_) => Rejection::Dimensions,
        _ => Rejection::Broken,
    }
}

fn seen(picture: &DynamicImage) -> Result<Look, Rejection> {
    Ok(Look {
        width: picture.width(),
        height: picture.height(),
        blurhash: thumbnails::blurhash(picture)?,
        thumbnails: thumbnails::thumbnails(picture)?,
    })
}

fn encode(picture: &DynamicImage, format: ImageFormat) -> Result<Vec<u8>, Rejection> {
    let mut bytes = Cursor::new(Vec::new());
    let written = match format {
        ImageFormat::Jpeg => {
            let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
            picture.to_rgb8().write_with_encoder(encoder)
        }
        format => picture.write_to(&mut bytes, format),
    };
    written.map_err(|_| Rejection::Broken)?;
    Ok(bytes.into_inner())
}
