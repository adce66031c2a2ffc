//! ffmpeg and ffprobe as child processes that can do no harm but to themselves.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::Error;
use crate::domain::Rejection;

/// Address space: ffmpeg maps far more than it uses.
const MEMORY_BYTES: u64 = 2 * 1024 * 1024 * 1024;
const OPEN_FILES: u32 = 64;
/// Of what it says about its failure, for the log.
const COMPLAINT_BYTES: u64 = 2 * 1024;

/// What phones, cameras and browsers record. ffmpeg has decoders of many an old game, too; nobody is to reach them.
const DECODERS: &str = "h264,hevc,vp8,libvpx,vp9,libvpx-vp9,av1,libdav1d,libaom-av1,mpeg4,mpeg2video,h263,mjpeg,prores,\
    aac,mp3,mp3float,mp2,mp2float,opus,libopus,vorbis,libvorbis,flac,alac,ac3,eac3,amrnb,amrwb,\
    pcm_u8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_alaw,pcm_mulaw";

/// Of what libavutil says of a frame over `-max_pixels` (`av_image_check_size2`).
const TOO_MANY_PIXELS: &str = "exceeds specified max pixel count";

const READ_BYTES: usize = 64 * 1024;

/// What is done with output as it comes.
pub type Take<'a> = dyn FnMut(&[u8]) -> Result<(), Error> + Send + 'a;

/// Where the tools are and how long one run may take.
#[derive(Clone, Debug)]
pub struct Tools {
    /// ffmpeg.
    pub ffmpeg: PathBuf,
    /// ffprobe.
    pub ffprobe: PathBuf,
    /// Of one run.
    pub time_limit: Duration,
}

/// Which tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Converts.
    Ffmpeg,
    /// Tells what is in a file.
    Ffprobe,
}

impl Tool {
    const fn name(self) -> &'static str {
        match self {
            Self::Ffmpeg => "ffmpeg",
            Self::Ffprobe => "ffprobe",
        }
    }
}

/// What one run may read and write.
pub struct Run<'a> {
    /// Which tool.
    pub tool: Tool,
    /// Its arguments, after those that bound it.
    pub arguments: Vec<&'a std::ffi::OsStr>,
    /// Where it works and may write.
    pub folder: &'a Path,
    /// The largest file that it may write there.
    pub file_bytes: u64,
    /// The largest frame that it may decode, whatever the container says of its size.
    pub max_pixels: u64,
}

impl Run<'_> {
    /// What its decoders are held to. A frame is coded in whole blocks of up to 64 by 64 pixels, so a narrow one takes
    /// up to twice as many; ffmpeg takes no more than an `int` holds.
    fn max_coded_pixels(&self) -> u64 {
        self.max_pixels.saturating_mul(2).min(i32::MAX.unsigned_abs().into())
    }
}

impl Tools {
    /// Runs a tool to its end and returns what it wrote to its standard output, at most `output_bytes`.
    ///
    /// # Errors
    /// [`Rejection::Dimensions`] when it says that frames are too large, [`Rejection::Broken`] when it cannot use the file
    /// for another reason; [`Error::ToolOverLimits`]; [`Error::ToolMissing`].
    pub async fn output(&self, run: Run<'_>, output_bytes: usize) -> Result<Vec<u8>, Error> {
        let mut output = Vec::new();
        let name = run.tool.name();
        self.stream(run, &mut |bytes| {
            if output.len() + bytes.len() > output_bytes {
                return Err(Error::ToolOverLimits(name));
            }
            output.extend_from_slice(bytes);
            Ok(())
        })
        .await?;
        Ok(output)
    }

    /// The same, with the output given to `take` as it comes.
    ///
    /// # Errors
    /// As [`Self::output`], and those of `take`.
    pub async fn stream(&self, run: Run<'_>, take: &mut Take<'_>) -> Result<(), Error> {
        let name = run.tool.name();
        let mut running = Running::start(self, &run)?;
        let work = async {
            let complaint = running.talk(take).await?;
            Ok::<_, Error>((running.end(&complaint).await?, complaint))
        };
        let (status, complaint) = timeout(self.time_limit, work).await.map_err(|_| Error::ToolOverLimits(name))??;
        match status.code() {
            Some(0) => Ok(()),
            Some(_) if complaint.contains(TOO_MANY_PIXELS) => Err(Rejection::Dimensions.into()),
            Some(_) => Err(Rejection::Broken.into()),
            // Ended by a signal: one of its limits, or the system's. It is not the file's fault for sure.
            None => Err(Error::ToolOverLimits(name)),
        }
    }
}

/// A child with all its own children: none outlives this.
struct Running {
    child: Child,
    group: Option<Pid>,
    name: &'static str,
}

impl Running {
    fn start(tools: &Tools, run: &Run<'_>) -> Result<Self, Error> {
        let name = run.tool.name();
        let program = match run.tool {
            Tool::Ffmpeg => &tools.ffmpeg,
            Tool::Ffprobe => &tools.ffprobe,
        };
        // prlimit of util-linux sets the limits before the tool's first instruction. Time on the processor is bounded
        // twice over by the time limit: two threads may use as much as that.
        let cpu_secs = tools.time_limit.as_secs().saturating_mul(2).max(1);
        let child = Command::new("prlimit")
            .arg(format!("--as={MEMORY_BYTES}"))
            .arg(format!("--cpu={cpu_secs}"))
            .arg(format!("--fsize={}", run.file_bytes))
            .arg(format!("--nofile={OPEN_FILES}"))
            .arg("--core=0")
            .arg("--")
            .arg(program)
            // No network, no devices, and no file that a playlist may name: -protocol_whitelist holds for inner files too.
            .args(["-hide_banner", "-loglevel", "error", "-protocol_whitelist", "file,pipe"])
            .args(["-codec_whitelist", DECODERS])
            .args(["-max_pixels", &run.max_coded_pixels().to_string()])
            .args(&run.arguments)
            .current_dir(run.folder)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", run.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Error::ToolMissing(name, error))?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, group, name })
    }

    /// Has the output read while what it complains about is taken, too: a full pipe would stop it.
    async fn talk(&mut self, take: &mut Take<'_>) -> Result<String, Error> {
        let (Some(stdout), Some(stderr)) = (self.child.stdout.take(), self.child.stderr.take()) else {
            return Ok(String::new());
        };
        let ((), complaint) = tokio::try_join!(pass_on(stdout, take), async { Ok(complaint(stderr).await) })?;
        Ok(complaint)
    }

    async fn end(&mut self, complaint: &str) -> Result<ExitStatus, Error> {
        let status = self.child.wait().await.map_err(Error::Disk)?;
        self.group = None;
        if !status.success() {
            tracing::debug!(tool = self.name, %status, complaint, "a tool could not use an upload");
        }
        // What prlimit says when the program is not there, as shells do.
        if status.code() == Some(127) {
            return Err(Error::ToolMissing(self.name, std::io::ErrorKind::NotFound.into()));
        }
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // The child was not waited for, so its id is still its own.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn pass_on(mut stdout: ChildStdout, take: &mut Take<'_>) -> Result<(), Error> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = stdout.read(&mut buffer).await.map_err(Error::Disk)?;
        if count == 0 {
            return Ok(());
        }
        take(buffer.get(..count).unwrap_or_default())?;
    }
}

async fn complaint(stderr: impl AsyncRead + Unpin) -> String {
    let mut text = Vec::new();
    let mut head = stderr.take(COMPLAINT_BYTES);
    // What cannot be read is not said.
    let _ = head.read_to_end(&mut text).await;
    // The rest is drained, so that a tool that complains a lot ends.
    let _ = tokio::io::copy(&mut head.into_inner(), &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&text).into_owned()
}
