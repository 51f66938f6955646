//! How large a picture may be. Checked against what the file's header says,
//! before a single pixel is decoded; never against its size in bytes, which
//! the caller bounds while it receives them.

use crate::refusal::Refusal;

/// How large a picture may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Pixels of one frame. Default 40,000,000.
    pub max_pixels: u64,
    /// Pixels of the longer side. Default 16,384.
    pub max_side: u32,
    /// Frames of an animation. Default 500.
    pub max_frames: u32,
    /// Pixels of all frames together, each counted at the size of the whole
    /// picture, since that is what showing it costs. Default 400,000,000.
    pub max_total_pixels: u64,
    /// Whether SVG is accepted. Default false: it can carry scripts.
    pub allow_svg: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_pixels: 40_000_000,
            max_side: 16_384,
            max_frames: 500,
            max_total_pixels: 400_000_000,
            allow_svg: false,
        }
    }
}

impl Limits {
    /// Refuses a frame of this size.
    pub(crate) fn check_frame(&self, width: u32, height: u32) -> Result<(), Refusal> {
        if width.max(height) > self.max_side {
            return Err(Refusal::SideTooLong { width, height, limit: self.max_side });
        }
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(Refusal::TooManyPixels { width, height, limit: self.max_pixels });
        }
        Ok(())
    }

    /// Refuses `frames` frames of this size; right as soon as the count so
    /// far is too high, so a walk can stop early.
    pub(crate) fn check_frames(&self, width: u32, height: u32, frames: u32) -> Result<(), Refusal> {
        if frames > self.max_frames {
            return Err(Refusal::TooManyFrames { limit: self.max_frames });
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels.saturating_mul(u64::from(frames)) > self.max_total_pixels {
            return Err(Refusal::TooManyPixelsInAll { limit: self.max_total_pixels });
        }
        Ok(())
    }
}
