use std::fmt::Write as _;

use qrcode::{Color, EcLevel};

/// The light margin that scanners need (ISO/IEC 18004, section 9.1), in modules.
const MARGIN: usize = 4;
const PNG_PIXELS_A_MODULE: usize = 8;
const PIXELS_A_BYTE: usize = 8;

/// A text could not be made a picture.
#[derive(Debug, thiserror::Error)]
pub enum QrError {
    /// It is longer than the largest code.
    #[error("the text is too long for a QR code")]
    Text(#[source] qrcode::types::QrError),
    /// The PNG encoder refused.
    #[error("the PNG encoder refused")]
    Png(#[from] png::EncodingError),
    /// The picture is larger than a PNG.
    #[error("the picture is too large")]
    TooLarge,
}

/// A QR code (ISO/IEC 18004) of a text.
pub struct QrCode {
    /// Row by row, without the margin.
    modules: Vec<Color>,
    width: usize,
}

impl QrCode {
    /// The code of a text, readable with 15% of it damaged.
    ///
    /// # Errors
    /// When the text is too long.
    pub fn new(text: &str) -> Result<Self, QrError> {
        let code = qrcode::QrCode::with_error_correction_level(text, EcLevel::M).map_err(QrError::Text)?;
        Ok(Self { width: code.width(), modules: code.into_colors() })
    }

    /// As an SVG document: one path, a unit a module.
    pub fn to_svg(&self) -> String {
        let side = self.width + 2 * MARGIN;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
             <path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path d=\""
        );
        for (y, row) in self.modules.chunks(self.width.max(1)).enumerate() {
            for (x, module) in row.iter().enumerate() {
                if *module == Color::Dark {
                    // Writing to a String cannot fail.
                    let _ = write!(svg, "M{} {}h1v1h-1z", x + MARGIN, y + MARGIN);
                }
            }
        }
        svg.push_str("\"/></svg>\n");
        svg
    }

    /// As a PNG image, black on white, a bit a pixel: it is drawn in a fraction of a millisecond.
    ///
    /// # Errors
    /// When the encoder refuses.
    pub fn to_png(&self) -> Result<Vec<u8>, QrError> {
        let side = (self.width + 2 * MARGIN) * PNG_PIXELS_A_MODULE;
        let mut rows = Vec::with_capacity(side * side.div_ceil(PIXELS_A_BYTE));
        for y in 0..side {
            for first in (0..side).step_by(PIXELS_A_BYTE) {
                let pixels = (first..first + PIXELS_A_BYTE).map(|x| u8::from(self.is_light(x, y)));
                rows.push(pixels.fold(0, |byte, pixel| byte << 1 | pixel));
            }
        }
        let side = u32::try_from(side).map_err(|_| QrError::TooLarge)?;
        let mut image = Vec::new();
        let mut encoder = png::Encoder::new(&mut image, side, side);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&rows)?;
        writer.finish()?;
        Ok(image)
    }

    fn is_light(&self, x: usize, y: usize) -> bool {
        let module = |pixel: usize| (pixel / PNG_PIXELS_A_MODULE).checked_sub(MARGIN).filter(|at| *at < self.width);
        let (Some(x), Some(y)) = (module(x), module(y)) else { return true };
        self.modules.get(y * self.width + x) != Some(&Color::Dark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "otpauth://totp/Godwit:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Godwit";

    #[test]
    fn the_picture_has_the_modules_of_the_code_and_its_margin() {
        let code = QrCode::new(TEXT).unwrap();
        let png = code.to_png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&png)).read_info().unwrap();
        let side = (code.width + 2 * MARGIN) * PNG_PIXELS_A_MODULE;
        let mut rows = vec![0; side * side / PIXELS_A_BYTE];
        let frame = reader.next_frame(&mut rows).unwrap();
        assert_eq!((frame.width as usize, frame.height as usize), (side, side));
        let is_dark = |x: usize, y: usize| {
            let at = y * side + x;
            rows[at / PIXELS_A_BYTE] >> (PIXELS_A_BYTE - 1 - at % PIXELS_A_BYTE) & 1 == 0
        };
        let middle = |at: usize| (at + MARGIN) * PNG_PIXELS_A_MODULE + PNG_PIXELS_A_MODULE / 2;
        for (at, module) in code.modules.iter().enumerate() {
            let (x, y) = (middle(at % code.width), middle(at / code.width));
            assert_eq!(is_dark(x, y), *module == Color::Dark, "{at}");
        }
        let edge = MARGIN * PNG_PIXELS_A_MODULE;
        assert!((0..edge).all(|y| (0..side).all(|x| !is_dark(x, y))));
        // The finder pattern's corner.
        assert!(is_dark(edge, edge));
    }

    #[test]
    fn the_svg_draws_each_dark_module_once() {
        let code = QrCode::new(TEXT).unwrap();
        let svg = code.to_svg();
        let dark = code.modules.iter().filter(|module| **module == Color::Dark).count();
        assert_eq!(svg.matches("h1v1h-1z").count(), dark);
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 "));
        assert!(svg.contains("M4 4h1v1h-1z") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn a_text_beyond_the_largest_code_is_refused() {
        assert!(matches!(QrCode::new(&"x".repeat(3_000)), Err(QrError::Text(_))));
    }
}
