//! Why a file is not accepted, in sentences for the person who uploaded it.
//! Never holds bytes of the file itself.

use std::io;

use crate::format::Format;

/// Why a file is not accepted. The message is meant for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not a single byte.
    #[error("The file is empty. Choose a JPEG, PNG, GIF, WebP or AVIF picture.")]
    Empty,
    /// No picture format Larder knows.
    #[error(
        "The file is not a picture that can be stored: it looks like {found}. \
         Accepted are JPEG, PNG, GIF, WebP and AVIF."
    )]
    UnknownType {
        /// What it looks like, such as "a PDF document".
        found: &'static str,
    },
    /// SVG, where the limits do not allow it.
    #[error(
        "SVG drawings are not accepted here, because they can carry scripts. \
         Accepted are JPEG, PNG, GIF, WebP and AVIF; export the drawing as PNG or WebP."
    )]
    SvgNotAllowed,
    /// The file ends before the picture does.
    #[error(
        "The {format} picture is incomplete: the file ends at byte {at}, before the picture \
         does. Upload the whole file."
    )]
    Truncated {
        /// What the file began as.
        format: Format,
        /// The file's length in bytes.
        at: u64,
    },
    /// The file contradicts its format.
    #[error("The {format} picture is damaged: {reason}. Save it again and upload the new file.")]
    Damaged {
        /// What the file began as.
        format: Format,
        /// What is wrong, as a clause without a full stop.
        reason: &'static str,
    },
    /// One side is longer than the limit.
    #[error(
        "The picture is {width} x {height} pixels; at most {limit} per side are accepted. \
         Scale it down first."
    )]
    SideTooLong {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// [`Limits::max_side`](crate::Limits::max_side).
        limit: u32,
    },
    /// One frame has more pixels than the limit.
    #[error(
        "The picture is {width} x {height} pixels; at most {limit} pixels in all are accepted. \
         Scale it down first."
    )]
    TooManyPixels {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// [`Limits::max_pixels`](crate::Limits::max_pixels).
        limit: u64,
    },
    /// More frames than the limit.
    #[error("The animation has more than {limit} frames, the most that are accepted. Shorten it.")]
    TooManyFrames {
        /// [`Limits::max_frames`](crate::Limits::max_frames).
        limit: u32,
    },
    /// All frames together have more pixels than the limit.
    #[error(
        "The animation's frames have more than {limit} pixels together, the most that are \
         accepted. Shorten it or scale it down."
    )]
    TooManyPixelsInAll {
        /// [`Limits::max_total_pixels`](crate::Limits::max_total_pixels).
        limit: u64,
    },
}

/// Why a file could not be probed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The file is at fault; the sentence is for the user.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Reading it failed; the file is not to blame.
    #[error("could not read the file")]
    Io(#[from] io::Error),
}
