use image::DynamicImage;
use image::imageops::FilterType;

use crate::domain::{Rejection, ThumbnailSize};

/// Of lossy WebP; a thumbnail of 480 pixels takes about 20 KiB.
const QUALITY: f32 = 75.0;
/// A blurred preview needs no more.
const BLUR_PIXELS: u32 = 48;

/// The thumbnails of a picture as WebP. Each is made from the next larger one: the large picture is gone through once.
pub fn thumbnails(picture: &DynamicImage) -> Result<Vec<(ThumbnailSize, Vec<u8>)>, Rejection> {
    let mut from = fitted(picture, ThumbnailSize::Large.pixels());
    let mut made = Vec::with_capacity(ThumbnailSize::ALL.len());
    for size in ThumbnailSize::ALL {
        let encoded = match size {
            ThumbnailSize::Square => webp(&square(picture, &from, size.pixels()))?,
            ThumbnailSize::Small | ThumbnailSize::Medium | ThumbnailSize::Large => {
                from = fitted(&from, size.pixels());
                webp(&from)?
            }
        };
        made.push((size, encoded));
    }
    Ok(made)
}

/// A preview of a few dozen characters.
pub fn blurhash(picture: &DynamicImage) -> Result<String, Rejection> {
    let small = fitted(picture, BLUR_PIXELS).into_rgba8();
    blurhash::encode(4, 3, small.width(), small.height(), small.as_raw()).map_err(|_| Rejection::Broken)
}

/// The picture within a square of this side; never larger than it is.
fn fitted(picture: &DynamicImage, side: u32) -> DynamicImage {
    if picture.width() <= side && picture.height() <= side {
        return picture.clone();
    }
    picture.resize(side, side, FilterType::Triangle)
}

/// The middle. Taken from the smaller picture unless that is too narrow by now.
fn square(picture: &DynamicImage, smaller: &DynamicImage, side: u32) -> DynamicImage {
    let from = if smaller.width().min(smaller.height()) >= side { smaller } else { picture };
    let edge = from.width().min(from.height());
    let middle = from.crop_imm((from.width() - edge) / 2, (from.height() - edge) / 2, edge, edge);
    fitted(&middle, side)
}

fn webp(picture: &DynamicImage) -> Result<Vec<u8>, Rejection> {
    let encoded = if picture.color().has_alpha() {
        let pixels = picture.to_rgba8();
        webp::Encoder::from_rgba(&pixels, pixels.width(), pixels.height()).encode_simple(false, QUALITY)
    } else {
        let pixels = picture.to_rgb8();
        webp::Encoder::from_rgb(&pixels, pixels.width(), pixels.height()).encode_simple(false, QUALITY)
    };
    Ok(encoded.map_err(|_| Rejection::Broken)?.to_vec())
}
