//! Recorded streams of requests.
