//! The network in int8 as one C header, for machines with kilobytes of memory.

use std::fmt::Write as _;

use crate::quantize::{Layer, Quantized};

/// The header: C99 that includes only `stdint.h`, calls nothing and allocates nothing. The network's
/// numbers are constant arrays; a classification takes integers of at most 64 bits and some 3 KB of
/// stack. Its logits are those of [`Quantized::logits`], bit by bit. The code is `lenet5.h` beside
/// this file, with placeholders for the numbers.
pub fn c_header(quantized: &Quantized) -> String {
    let metadata = quantized.metadata();
    let layers = quantized.layers();
    let side = 28 + 2 * metadata.architecture.padding.pixels();
    let dataset = match &metadata.dataset {
        Some(name) => format!(", trained on {}", escaped(name).replace("*/", "* /")),
        None => String::new(),
    };
    let classes = metadata.class_names.len();
    let rom: usize = layers.iter().map(rom).sum();
    let names = metadata.class_names.iter();
    let names: Vec<_> = names.map(|name| format!("\"{}\"", escaped(name))).collect();
    let mut constants = format!(
        "static const char *const lenet5_class_names[LENET5_CLASSES] = {{\n    {}\n}};\n",
        names.join(",\n    ")
    );
    for layer in layers {
        write_layer(&mut constants, layer);
    }
    // The names come last: they may hold what looks like a placeholder.
    let pictures = metadata.preparation.unwrap_or_default().about();
    include_str!("lenet5.h")
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@PICTURES@", pictures)
        .replace("@ROM@", &rom.to_string())
        .replace("@CLASSES@", &classes.to_string())
        .replace("@SIDE@", &side.to_string())
        .replace("@PADDING@", &(side / 2 - 14).to_string())
        .replacen("@DATASET@", &dataset, 1)
        .replacen("@CONSTANTS@\n", &constants, 1)
}

/// Bytes of a layer's constants.
fn rom(layer: &Layer) -> usize {
    let table = layer.plan().table.as_ref().map_or(0, Vec::len);
    layer.weight.len() + table + layer.bias.len() * (4 + 4 + 1)
}

fn write_layer(text: &mut String, layer: &Layer) {
    let name = format!("lenet5_{}", layer.name);
    let plan = layer.plan();
    let mantissas: Vec<i32> = plan.multipliers.iter().map(|m| m.mantissa).collect();
    let shifts: Vec<u8> = plan.multipliers.iter().map(|m| m.shift).collect();
    write_array(text, "int8_t", &format!("{name}_weight"), &layer.weight);
    // -2147483648 would be the negation of a number that has no type of 32 bits.
    let bias: Vec<String> = plan.bias.iter().map(|&bias| c_int(bias)).collect();
    write_array(text, "int32_t", &format!("{name}_bias"), &bias);
    write_array(text, "int32_t", &format!("{name}_mantissa"), &mantissas);
    write_array(text, "uint8_t", &format!("{name}_shift"), &shifts);
    let table = match &plan.table {
        Some(table) => {
            write_array(text, "int8_t", &format!("{name}_table"), table);
            format!("{name}_table")
        }
        None => "0".to_owned(),
    };
    let pool = plan.pool;
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "static const lenet5_layer {name} = {{\n    {name}_weight, {name}_bias, {name}_mantissa, \
         {name}_shift, {table},\n    {}, {}, {}, {}, {}, {}\n}};",
        plan.zero_point,
        layer.input.zero_point,
        pool.offset,
        pool.multiplier.mantissa,
        pool.zero_point,
        pool.multiplier.shift,
    );
}

fn c_int(value: i32) -> String {
    match value {
        i32::MIN => "INT32_MIN".to_owned(),
        _ => value.to_string(),
    }
}

fn write_array(text: &mut String, kind: &str, name: &str, values: &[impl ToString]) {
    let _ = write!(text, "\nstatic const {kind} {name}[{}] = {{", values.len());
    let mut column = usize::MAX;
    for value in values {
        let value = value.to_string();
        if column > 92 {
            text.push_str("\n   ");
            column = 3;
        }
        let _ = write!(text, " {value},");
        column += value.len() + 2;
    }
    text.push_str("\n};\n");
}

/// The inside of a C string: what is not plain ASCII as octal escapes, which end after three
/// digits, and question marks escaped, for two of them begin a trigraph.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'"' | b'\\' | b'?' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\{byte:03o}"),
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_c_would_read_otherwise() {
        assert_eq!(escaped("T-shirt/top"), "T-shirt/top");
        assert_eq!(escaped("a\"b\\??="), "a\\\"b\\\\\\?\\?=");
        assert_eq!(escaped("ö1\n"), "\\303\\2661\\012");
    }
}
