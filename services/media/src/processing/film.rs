use std::ffi::OsStr;
use std::path::Path;

use super::Error;
use super::picture::{self, Look};
use super::probe::{Container, probe};
use super::processor::Made;
use super::tool::{Run, Tool, Tools};
use crate::domain::{ContentType, Details, Kind, Rejection};

/// A frame of at most 1280 by 1280 pixels as PNG.
const POSTER_BYTES: usize = 16 * 1024 * 1024;
/// A container may grow by its index when it is written again.
const GROWTH_BYTES: u64 = 16 * 1024 * 1024;

/// The first moving picture: a `v` would take the picture on a sleeve for one.
const FILM: &str = "0:V:0";

/// What a film is looked at with.
pub struct Cinema<'a> {
    pub tools: &'a Tools,
    pub folder: &'a Path,
    pub max_pixels: u64,
}

impl<'a> Cinema<'a> {
    /// A run in the folder that may write one file of so many bytes there.
    pub fn run(&self, tool: Tool, arguments: Vec<&'a OsStr>, file_bytes: u64) -> Run<'a> {
        Run { tool, arguments, folder: self.folder, file_bytes, max_pixels: self.max_pixels }
    }
}

/// Looks at a film: its size and length, a frame of it, and a copy without metadata.
pub async fn film(cinema: &Cinema<'_>, file: &Path, kind: Kind, found: ContentType) -> Result<Made, Error> {
    let container = Container::of(&found).ok_or(Rejection::Type)?;
    let probe = probe(cinema, container, file).await?;
    let (width, height) = probe.frame.ok_or(Rejection::Type)?;
    let is_too_long = probe.duration_ms.is_some_and(|duration_ms| duration_ms > kind.max_duration_ms());
    if is_too_long || u64::from(width) * u64::from(height) > cinema.max_pixels {
        return Err(Rejection::Dimensions.into());
    }
    let look = poster(cinema, container, file, probe.duration_ms).await?;
    copy_without_metadata(cinema, container, file, &["-map", FILM, "-map", "0:a?"]).await?;
    let details = Details {
        width: Some(width),
        height: Some(height),
        duration_ms: probe.duration_ms,
        blurhash: Some(look.blurhash),
        ..Details::default()
    };
    Ok(Made { content_type: found, details, thumbnails: look.thumbnails, is_copied: true })
}

/// Writes the streams again into `clean`, as they are but without what is told about them: place, device, names.
pub async fn copy_without_metadata(
    cinema: &Cinema<'_>,
    container: Container,
    file: &Path,
    streams: &[&str],
) -> Result<(), Error> {
    let size = tokio::fs::metadata(file).await.map_err(Error::Disk)?.len();
    let mut arguments: Vec<&OsStr> = ["-nostdin", "-y", "-f", container.demuxer, "-i"].map(OsStr::new).into();
    arguments.push(file.as_os_str());
    arguments.extend(streams.iter().map(OsStr::new));
    let rest =
        ["-c", "copy", "-map_metadata", "-1", "-map_metadata:s", "-1", "-map_chapters", "-1", "-fflags", "+bitexact"];
    arguments.extend(rest.map(OsStr::new));
    if matches!(container.muxer, "mp4" | "mov") {
        // Its index comes first, so that playing begins before all of it is there.
        arguments.extend(["-movflags", "+faststart"].map(OsStr::new));
    }
    let clean = cinema.folder.join(Made::CLEAN);
    arguments.extend(["-f", container.muxer].map(OsStr::new));
    arguments.push(clean.as_os_str());
    let file_bytes = size.saturating_add(size / 8).saturating_add(GROWTH_BYTES);
    cinema.tools.output(cinema.run(Tool::Ffmpeg, arguments, file_bytes), 0).await?;
    Ok(())
}

/// A frame a little behind the beginning, which is often black; the first one of a very short film.
async fn poster(
    cinema: &Cinema<'_>,
    container: Container,
    file: &Path,
    duration_ms: Option<u64>,
) -> Result<Look, Error> {
    let at_ms = duration_ms.map_or(0, |duration_ms| (duration_ms / 10).min(1_000));
    let mut bytes = frame(cinema, container, file, at_ms).await?;
    if bytes.is_empty() && at_ms > 0 {
        bytes = frame(cinema, container, file, 0).await?;
    }
    let max_pixels = cinema.max_pixels;
    let look = tokio::task::spawn_blocking(move || picture::look(&bytes, "image/png", max_pixels)).await?;
    Ok(look?)
}

async fn frame(cinema: &Cinema<'_>, container: Container, file: &Path, at_ms: u64) -> Result<Vec<u8>, Error> {
    let at = format!("{}.{:03}", at_ms / 1_000, at_ms % 1_000);
    let before = ["-nostdin", "-threads", "2", "-f", container.demuxer, "-ss", at.as_str(), "-i"];
    let mut arguments: Vec<&OsStr> = before.map(OsStr::new).into();
    arguments.push(file.as_os_str());
    let size = "scale=w='min(1280,iw)':h='min(1280,ih)':force_original_aspect_ratio=decrease";
    let after = ["-map", FILM, "-frames:v", "1", "-vf", size, "-c:v", "png", "-f", "image2pipe", "pipe:1"];
    arguments.extend(after.map(OsStr::new));
    cinema.tools.output(cinema.run(Tool::Ffmpeg, arguments, 0), POSTER_BYTES).await
}
