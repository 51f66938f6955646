//! Keys by Zipf's law.
