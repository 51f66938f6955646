//! The oracleGeneral format, in which cache traces are published (Yang,
//! libCacheSim): records of 24 bytes, little-endian: time in seconds (u32),
//! object (u64), size (u32), when it is asked for next (i64).

use std::collections::HashMap;
use std::io::{ErrorKind, Read};

use super::{Fault, ReadError, Request, Trace};

const RECORD: usize = 24;

impl Trace {
    /// Reads oracleGeneral records to the end. Times are left out: a stream is
    /// played as fast as it is asked for.
    ///
    /// # Errors
    ///
    /// The last record is cut off, there are more than 2³² objects, or what
    /// reading gave (it names the record as the line).
    pub fn read_oracle_general(mut records: impl Read) -> Result<Self, ReadError> {
        let mut trace = Self { has_sizes: true, ..Self::default() };
        let mut keys: HashMap<u64, u32> = HashMap::new();
        for number in 1.. {
            let Some(record) = next(&mut records, number)? else { break };
            let object = u64::from_le_bytes(field(&record, 4));
            let size = u32::from_le_bytes(field(&record, 12));
            let next = u32::try_from(keys.len())
                .map_err(|_| ReadError::Record { record: number, fault: Fault::TooManyKeys })?;
            let key = *keys.entry(object).or_insert(next);
            trace.push(Request { key, size });
        }
        trace.requests.shrink_to_fit();
        Ok(trace)
    }
}

fn field<const N: usize>(record: &[u8; RECORD], at: usize) -> [u8; N] {
    std::array::from_fn(|byte| record[at + byte])
}

/// The next record, or none at the end.
fn next(records: &mut impl Read, number: u64) -> Result<Option<[u8; RECORD]>, ReadError> {
    let mut record = [0; RECORD];
    let mut filled = 0;
    while filled < RECORD {
        match records.read(&mut record[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(ReadError::CutOff { record: number }),
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(source) => return Err(ReadError::Source { line: number, source }),
        }
    }
    Ok(Some(record))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(object: u64, size: u32) -> Vec<u8> {
        let time = 7u32.to_le_bytes();
        let next = (-1i64).to_le_bytes();
        [&time[..], &object.to_le_bytes(), &size.to_le_bytes(), &next].concat()
    }

    #[test]
    fn records_become_requests_with_their_sizes() {
        let bytes = [record(900, 10), record(7, 20), record(900, 30)].concat();
        let trace = Trace::read_oracle_general(&bytes[..]).unwrap();
        let read: Vec<_> = trace.requests().iter().map(|it| (it.key, it.size)).collect();
        assert_eq!(read, [(0, 10), (1, 20), (0, 30)]);
        assert_eq!((trace.objects(), trace.footprint_bytes()), (2, 30));
    }

    #[test]
    fn a_record_that_is_cut_off_is_named() {
        let mut bytes = [record(1, 1), record(2, 2)].concat();
        bytes.pop();
        let said = Trace::read_oracle_general(&bytes[..]).unwrap_err().to_string();
        assert_eq!(said, "record 2 is cut off; oracleGeneral records have 24 bytes");
    }
}
