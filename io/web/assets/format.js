// Numbers as text, exactly as the server writes them (`io/web/src/text.rs`).

function threeDigits(value) {
  return value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : value.toFixed(0);
}

export function bytes(count) {
  if (count < 1024) return `${count} ${count === 1 ? "byte" : "bytes"}`;
  const units = ["KB", "MB", "GB", "TB", "PB"];
  let value = count / 1024;
  let unit = 0;
  while (value >= 999.5 && unit + 1 < units.length) {
    value /= 1024;
    unit += 1;
  }
  return `${Number.isInteger(value) ? value : threeDigits(value)} ${units[unit]}`;
}

export function nanoseconds(time) {
  if (!time) return "–";
  if (time < 1e3) return `${Math.round(time)} ns`;
  if (time < 999_500) return `${threeDigits(time / 1e3)} µs`;
  if (time < 999_500_000) return `${threeDigits(time / 1e6)} ms`;
  return `${threeDigits(time / 1e9)} s`;
}

export function percent(share) {
  return share === null || share === undefined ? "–" : `${(share * 100).toFixed(1)}%`;
}

export function count(number) {
  return number.toLocaleString("en-US");
}
