use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;

use serde::Deserialize;

use super::Error;
use super::film::Cinema;
use super::tool::Tool;
use crate::domain::{ContentType, Rejection};

const REPORT_BYTES: usize = 256 * 1024;

/// How a container is read and written. The reader is named and never guessed: a playlist in the clothes of a film
/// could name other files of this machine.
#[derive(Clone, Copy, Debug)]
pub struct Container {
    /// ffmpeg's name of the reader.
    pub demuxer: &'static str,
    /// ffmpeg's name of the writer.
    pub muxer: &'static str,
    /// The type when there is sound alone in it.
    pub sound_type: &'static str,
}

impl Container {
    /// Of a type that was found in the bytes.
    pub fn of(found: &ContentType) -> Option<Self> {
        let (demuxer, muxer, sound_type) = match found.essence() {
            "video/mp4" | "audio/mp4" => ("mov", "mp4", "audio/mp4"),
            "video/quicktime" => ("mov", "mov", "audio/mp4"),
            "video/webm" | "audio/webm" => ("matroska", "webm", "audio/webm"),
            "video/x-matroska" => ("matroska", "matroska", "audio/webm"),
            "audio/ogg" => ("ogg", "ogg", "audio/ogg"),
            "audio/mpeg" => ("mp3", "mp3", "audio/mpeg"),
            "audio/flac" => ("flac", "flac", "audio/flac"),
            "audio/wav" => ("wav", "wav", "audio/wav"),
            "audio/aac" => ("aac", "adts", "audio/aac"),
            _ => return None,
        };
        Some(Self { demuxer, muxer, sound_type })
    }

    /// Whether it is frames one after the other: ffprobe then guesses the length from the size and the first of them.
    pub fn is_bare(self) -> bool {
        matches!(self.demuxer, "mp3" | "aac")
    }
}

/// What is in a film or a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// As the container says; recordings of browsers say nothing.
    pub duration_ms: Option<u64>,
    /// Width and height in pixels as it is shown; none without moving pictures.
    pub frame: Option<(u32, u32)>,
    /// There is sound.
    pub has_sound: bool,
}

#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    format: Format,
}

#[derive(Default, Deserialize)]
struct Format {
    duration: Option<String>,
}

#[derive(Deserialize)]
struct Stream {
    codec_type: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    #[serde(default)]
    disposition: HashMap<String, i64>,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Deserialize)]
struct SideData {
    rotation: Option<f64>,
}

/// Asks ffprobe what is in a file.
pub async fn probe(cinema: &Cinema<'_>, container: Container, file: &Path) -> Result<Probe, Error> {
    let arguments = ["-f", container.demuxer, "-print_format", "json", "-show_format", "-show_streams", "-i"];
    let mut arguments: Vec<&OsStr> = arguments.into_iter().map(OsStr::new).collect();
    arguments.push(file.as_os_str());
    let report = cinema.tools.output(cinema.run(Tool::Ffprobe, arguments, 0), REPORT_BYTES).await?;
    Ok(read(&report)?)
}

fn read(report: &[u8]) -> Result<Probe, Rejection> {
    let report: Report = serde_json::from_slice(report).map_err(|_| Rejection::Broken)?;
    let mut probe = Probe { duration_ms: report.format.duration.as_deref().and_then(milliseconds), ..Probe::default() };
    for stream in &report.streams {
        match stream.codec_type.as_deref() {
            Some("audio") => probe.has_sound = true,
            // The picture on the sleeve of a record is no film.
            Some("video") if stream.disposition.get("attached_pic") != Some(&1) && probe.frame.is_none() => {
                probe.frame = frame(stream);
            }
            _ => {}
        }
    }
    Ok(probe)
}

fn frame(stream: &Stream) -> Option<(u32, u32)> {
    let (width, height) = (stream.width?, stream.height?);
    let rotation = stream.side_data_list.iter().find_map(|data| data.rotation).unwrap_or(0.0);
    let is_on_its_side = (rotation / 90.0).round().rem_euclid(2.0) == 1.0;
    Some(if is_on_its_side { (height, width) } else { (width, height) })
}

/// Of seconds with a decimal point, as ffprobe writes them.
fn milliseconds(text: &str) -> Option<u64> {
    let (secs, fraction) = text.split_once('.').unwrap_or((text, ""));
    let secs: u64 = secs.parse().ok()?;
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    secs.checked_mul(1_000)?.checked_add(digits.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_a_film_on_its_side_is_read() {
        let report = br#"{"streams": [
            {"codec_type": "audio"},
            {"codec_type": "video", "width": 1920, "height": 1080, "disposition": {"attached_pic": 0},
             "side_data_list": [{"side_data_type": "Display Matrix", "rotation": -90}]}],
            "format": {"duration": "61.500000"}}"#;
        let expected = Probe { duration_ms: Some(61_500), frame: Some((1080, 1920)), has_sound: true };
        assert_eq!(read(report).unwrap(), expected);
    }

    #[test]
    fn the_picture_on_a_sleeve_is_no_film() {
        let report = br#"{"streams": [{"codec_type": "audio"},
            {"codec_type": "video", "width": 600, "height": 600, "disposition": {"attached_pic": 1}}], "format": {}}"#;
        assert_eq!(read(report).unwrap(), Probe { duration_ms: None, frame: None, has_sound: true });
    }

    #[test]
    fn times_are_read() {
        for (text, expected) in
            [("1.5", Some(1_500)), ("0.020000", Some(20)), ("7", Some(7_000)), ("N/A", None), ("-1.0", None)]
        {
            assert_eq!(milliseconds(text), expected, "{text}");
        }
    }
}
