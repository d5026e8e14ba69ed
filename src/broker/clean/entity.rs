//! HTML's names for ASCII characters.

/// Most digits of a numeric entity that are read, leading zeros included.
pub(super) const MOST_DIGITS: usize = 8;
/// Longest name below.
pub(super) const LONGEST_NAME: usize = 8;

const NAMES: &[(&str, u8)] = &[
    ("amp", b'&'),
    ("AMP", b'&'),
    ("apos", b'\''),
    ("ast", b'*'),
    ("bsol", b'\\'),
    ("colon", b':'),
    ("comma", b','),
    ("commat", b'@'),
    ("dollar", b'$'),
    ("equals", b'='),
    ("excl", b'!'),
    ("grave", b'`'),
    ("gt", b'>'),
    ("GT", b'>'),
    ("Hat", b'^'),
    ("lbrace", b'{'),
    ("lbrack", b'['),
    ("lcub", b'{'),
    ("lowbar", b'_'),
    ("lpar", b'('),
    ("lsqb", b'['),
    ("lt", b'<'),
    ("LT", b'<'),
    ("midast", b'*'),
    ("NewLine", b'\n'),
    ("num", b'#'),
    ("percnt", b'%'),
    ("period", b'.'),
    ("plus", b'+'),
    ("quest", b'?'),
    ("quot", b'"'),
    ("QUOT", b'"'),
    ("rbrace", b'}'),
    ("rbrack", b']'),
    ("rcub", b'}'),
    ("rpar", b')'),
    ("rsqb", b']'),
    ("semi", b';'),
    ("sol", b'/'),
    ("Tab", b'\t'),
    ("UnderBar", b'_'),
    ("verbar", b'|'),
    ("vert", b'|'),
];

/// The character that `&name;` stands for.
pub(super) fn named(name: &[u8]) -> Option<u8> {
    NAMES.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, byte)| *byte)
}
