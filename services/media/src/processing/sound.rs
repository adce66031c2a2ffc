use std::ffi::OsStr;
use std::path::Path;

use super::Error;
use super::adts;
use super::film::{Cinema, copy_without_metadata};
use super::probe::{Container, probe};
use super::processor::Made;
use super::tool::Tool;
use crate::domain::{ContentType, Details, Kind, Rejection};

/// Enough to tell loud from quiet.
const SAMPLE_RATE: u64 = 8_000;
/// One value a hundredth of a second, until the length is known.
const SAMPLES_A_PEAK: usize = 80;
/// What clients draw.
pub const WAVEFORM_VALUES: usize = 100;

/// Looks at a recording: its length, how loud it is where, and a copy without metadata.
pub async fn sound(cinema: &Cinema<'_>, file: &Path, kind: Kind, found: &ContentType) -> Result<Made, Error> {
    let container = Container::of(found).ok_or(Rejection::Type)?;
    let probe = probe(cinema, container, file).await?;
    if probe.frame.is_some() || !probe.has_sound {
        return Err(Rejection::Type.into());
    }
    let told = probe.duration_ms.filter(|_| !container.is_bare());
    let mut details = Details { duration_ms: told, ..Details::default() };
    if kind == Kind::Voice {
        let heard = listen(cinema, container, file).await?;
        details.duration_ms = Some(heard.duration_ms());
        details.waveform = heard.waveform();
    }
    check_length(kind, &details)?;
    copy_without_metadata(cinema, container, file, &["-map", "0:a:0"]).await?;
    if details.duration_ms.is_none() && container.is_bare() {
        details.duration_ms = measure(cinema, container).await?;
        check_length(kind, &details)?;
    }
    let content_type = ContentType::from_store(container.sound_type.to_owned());
    Ok(Made { content_type, details, thumbnails: Vec::new(), is_copied: true })
}

fn check_length(kind: Kind, details: &Details) -> Result<(), Rejection> {
    let is_too_long = details.duration_ms.is_some_and(|duration_ms| duration_ms > kind.max_duration_ms());
    if is_too_long { Err(Rejection::Dimensions) } else { Ok(()) }
}

/// How long bare frames play, by the copy, which has nothing else in it: those of AAC are counted; those of MP3 ffmpeg has
/// counted, and it says so in one before them (Xing).
async fn measure(cinema: &Cinema<'_>, container: Container) -> Result<Option<u64>, Error> {
    let clean = cinema.folder.join(Made::CLEAN);
    if container.demuxer == "mp3" {
        return Ok(probe(cinema, container, &clean).await?.duration_ms);
    }
    let counted = tokio::task::spawn_blocking(move || adts::duration_ms(&clean)).await?;
    counted.map_err(Error::Disk)
}

/// Decodes the sound to 16-bit samples, which are only counted and measured.
async fn listen(cinema: &Cinema<'_>, container: Container, file: &Path) -> Result<Peaks, Error> {
    let mut arguments: Vec<&OsStr> =
        ["-nostdin", "-threads", "2", "-f", container.demuxer, "-i"].map(OsStr::new).into();
    arguments.push(file.as_os_str());
    arguments.extend(["-map", "0:a:0", "-vn", "-ac", "1", "-ar", "8000", "-f", "s16le", "pipe:1"].map(OsStr::new));
    let run = cinema.run(Tool::Ffmpeg, arguments, 0);
    let mut peaks = Peaks::default();
    let max_samples = Kind::Voice.max_duration_ms() / 1_000 * SAMPLE_RATE;
    let mut take = |bytes: &[u8]| -> Result<(), Error> {
        peaks.take(bytes);
        if peaks.sample_count > max_samples { Err(Rejection::Dimensions.into()) } else { Ok(()) }
    };
    cinema.tools.stream(run, &mut take).await?;
    if peaks.sample_count == 0 { Err(Rejection::Broken.into()) } else { Ok(peaks) }
}

/// The loudest sample of each hundredth of a second.
#[derive(Default)]
struct Peaks {
    peaks: Vec<u16>,
    sample_count: u64,
    current: u16,
    in_current: usize,
    /// The first byte of a sample whose second one has not come yet.
    half: Option<u8>,
}

impl Peaks {
    fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let Some(low) = self.half.take() else {
                self.half = Some(byte);
                continue;
            };
            self.current = self.current.max(i16::from_le_bytes([low, byte]).unsigned_abs());
            self.sample_count += 1;
            self.in_current += 1;
            if self.in_current == SAMPLES_A_PEAK {
                self.peaks.push(std::mem::take(&mut self.current));
                self.in_current = 0;
            }
        }
    }

    fn duration_ms(&self) -> u64 {
        self.sample_count * 1_000 / SAMPLE_RATE
    }

    /// 100 values from 0 to 255, the loudest one 255 unless all is silent.
    fn waveform(mut self) -> Vec<u8> {
        if self.in_current > 0 {
            self.peaks.push(self.current);
        }
        let loudest = u32::from(self.peaks.iter().copied().max().unwrap_or(0)).max(1);
        let count = self.peaks.len();
        (0..WAVEFORM_VALUES)
            .map(|value| {
                let from = (value * count / WAVEFORM_VALUES).min(count.saturating_sub(1));
                let to = ((value + 1) * count / WAVEFORM_VALUES).max(from + 1);
                let peak = self.peaks.get(from..to.min(count)).unwrap_or_default().iter().copied().max().unwrap_or(0);
                u8::try_from(u32::from(peak) * 255 / loudest).unwrap_or(u8::MAX)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: impl IntoIterator<Item = i16>) -> Vec<u8> {
        values.into_iter().flat_map(i16::to_le_bytes).collect()
    }

    #[test]
    fn loud_and_quiet_halves_are_seen() {
        let bytes = samples((0..8_000).map(|_| 100).chain((0..8_000).map(|_| -20_000)));
        let mut peaks = Peaks::default();
        // As a pipe gives them: in pieces that end within a sample.
        for piece in bytes.chunks(777) {
            peaks.take(piece);
        }
        assert_eq!(peaks.duration_ms(), 2_000);
        let waveform = peaks.waveform();
        assert_eq!(waveform.len(), 100);
        assert!(waveform[..50].iter().all(|value| *value == 1) && waveform[50..].iter().all(|value| *value == 255));
    }

    #[test]
    fn one_sample_and_silence_have_a_waveform_too() {
        let mut peaks = Peaks::default();
        peaks.take(&samples([i16::MIN]));
        assert_eq!(peaks.waveform(), [255; 100]);
        let mut peaks = Peaks::default();
        peaks.take(&samples([0; 1_000]));
        assert_eq!(peaks.waveform(), [0; 100]);
    }
}
