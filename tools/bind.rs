//! Binds a shared library's references to itself, as the linker's `-Bsymbolic` would have done.
//!
//! DuckDB's library looks up 33000 of its own symbols by name whenever it is loaded, and 20000 further ones when they are
//! first called: some 10 ms of every start of every program that is linked with it, most of what `llmsql --version` takes.
//! Nothing but the library itself defines these symbols in this program, so that the look-up has one outcome, which is
//! written into a copy of the library here. Only x86-64's ELF files are known; the caller takes the library as it is else.

use std::ops::Range;

/// Types of relocation: an address, an entry of the table of addresses, one of the table of calls, and one that needs no
/// symbol.
const ADDRESS: u64 = 1;
const ENTRY: u64 = 6;
const CALL: u64 = 7;
const RELATIVE: u64 = 8;
/// Tags of the dynamic section.
const TAG_CALLS_SIZE: u64 = 2;
const TAG_STRINGS: u64 = 5;
const TAG_SYMBOLS: u64 = 6;
const TAG_RELOCATIONS: u64 = 7;
const TAG_RELOCATIONS_SIZE: u64 = 8;
const TAG_CALLS: u64 = 23;
const TAG_RELATIVE_COUNT: u64 = 0x6fff_fff9;

/// A relocation: where, type and symbol, addend.
type Relocation = [u64; 3];

/// The library with every reference bound to a symbol of its own whose name contains `part`; nothing where it is of
/// another kind than expected.
pub fn bind(library: &[u8], part: &[u8]) -> Option<Vec<u8>> {
    let elf = Elf::read(library)?;
    let mut bound = library.to_vec();
    let (mut relative, mut others) = (Vec::new(), Vec::new());
    let at = elf.tag(TAG_RELOCATIONS).and_then(|tag| elf.place(tag.1))?;
    let size = usize::try_from(elf.tag(TAG_RELOCATIONS_SIZE)?.1).ok()?;
    for place in (at..at.checked_add(size)?).step_by(24) {
        let [offset, info, addend] = elf.relocation(place)?;
        match (info & 0xffff_ffff, elf.own(info >> 32, part)) {
            (ADDRESS, Some(value)) => relative.push([offset, RELATIVE, value.wrapping_add(addend)]),
            (ENTRY, Some(value)) => relative.push([offset, RELATIVE, value]),
            (RELATIVE, _) => relative.push([offset, info, addend]),
            _ => others.push([offset, info, addend]),
        }
    }
    // The loader takes the first so many for such as need no symbol; in order they touch each page once.
    relative.sort_unstable();
    let (count_at, count) = elf.tag(TAG_RELATIVE_COUNT)?;
    if relative.len() < usize::try_from(count).ok()? {
        return None;
    }
    put(&mut bound, count_at + 8, relative.len() as u64)?;
    for (place, relocation) in (at..).step_by(24).zip(relative.iter().chain(&others)) {
        for (i, word) in relocation.iter().enumerate() {
            put(&mut bound, place + 8 * i, *word)?;
        }
    }
    // A call's entry points to code that looks its target up; the loader adds where the library lies, whatever it holds.
    let at = elf.tag(TAG_CALLS).and_then(|tag| elf.place(tag.1))?;
    let size = usize::try_from(elf.tag(TAG_CALLS_SIZE)?.1).ok()?;
    for place in (at..at.checked_add(size)?).step_by(24) {
        let [offset, info, _] = elf.relocation(place)?;
        if let (CALL, Some(value)) = (info & 0xffff_ffff, elf.own(info >> 32, part)) {
            put(&mut bound, elf.place(offset)?, value)?;
        }
    }
    Some(bound)
}

/// A shared library as the loader sees it.
struct Elf<'a> {
    bytes: &'a [u8],
    /// What is loaded from the file: addresses, and where they begin in it.
    loaded: Vec<(Range<u64>, u64)>,
    /// Where each entry of the dynamic section stands, its tag and value.
    dynamic: Vec<(usize, u64, u64)>,
    symbols: usize,
    strings: usize,
}

impl<'a> Elf<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        // 64 bits, little endian, a shared object for x86-64.
        if !bytes.starts_with(b"\x7fELF\x02\x01") || bytes.get(16..20)? != [3, 0, 62, 0] {
            return None;
        }
        let mut elf = Elf { bytes, loaded: Vec::new(), dynamic: Vec::new(), symbols: 0, strings: 0 };
        let headers = usize::try_from(elf.word(32)?).ok()?;
        let (size, count) = (elf.half(54)?, elf.half(56)?);
        for i in 0..count {
            let at = headers.checked_add(size * i)?;
            let (offset, address, length) = (elf.word(at + 8)?, elf.word(at + 16)?, elf.word(at + 32)?);
            match bytes.get(at..at + 4)? {
                [1, 0, 0, 0] => elf.loaded.push((address..address.checked_add(length)?, offset)),
                [2, 0, 0, 0] => {
                    let first = usize::try_from(offset).ok()?;
                    for at in (first..first.checked_add(usize::try_from(length).ok()?)?).step_by(16) {
                        let (tag, value) = (elf.word(at)?, elf.word(at + 8)?);
                        elf.dynamic.push((at, tag, value));
                    }
                }
                _ => {}
            }
        }
        elf.symbols = elf.place(elf.tag(TAG_SYMBOLS)?.1)?;
        elf.strings = elf.place(elf.tag(TAG_STRINGS)?.1)?;
        Some(elf)
    }

    fn half(&self, at: usize) -> Option<usize> {
        Some(u16::from_le_bytes(self.bytes.get(at..at + 2)?.try_into().ok()?).into())
    }

    fn word(&self, at: usize) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
    }

    /// An entry of the dynamic section: where it stands, and its value.
    fn tag(&self, tag: u64) -> Option<(usize, u64)> {
        self.dynamic.iter().find(|(_, t, _)| *t == tag).map(|(at, _, value)| (*at, *value))
    }

    /// Where in the file an address is.
    fn place(&self, address: u64) -> Option<usize> {
        let (range, offset) = self.loaded.iter().find(|(range, _)| range.contains(&address))?;
        usize::try_from(address - range.start + offset).ok()
    }

    fn relocation(&self, at: usize) -> Option<Relocation> {
        Some([self.word(at)?, self.word(at + 8)?, self.word(at + 16)?])
    }

    /// The address of a symbol that the library defines and that is certainly this one's: neither one of which a process
    /// has only one, nor one that is found by running code, nor of a thread.
    fn own(&self, index: u64, part: &[u8]) -> Option<u64> {
        let at = self.symbols.checked_add(usize::try_from(index).ok()?.checked_mul(24)?)?;
        let [kind, _, defined @ ..] = self.bytes.get(at + 4..at + 8)? else { return None };
        let (binding, sort) = (kind >> 4, kind & 15);
        if defined == [0, 0] || !matches!(binding, 1 | 2) || !matches!(sort, 1 | 2) {
            return None;
        }
        let name = u32::from_le_bytes(self.bytes.get(at..at + 4)?.try_into().ok()?);
        let name = self.bytes.get(self.strings.checked_add(usize::try_from(name).ok()?)?..)?;
        let name = name.get(..name.iter().position(|b| *b == 0)?)?;
        name.windows(part.len()).any(|w| w == part).then(|| self.word(at + 8)).flatten()
    }
}

fn put(bytes: &mut [u8], at: usize, word: u64) -> Option<()> {
    bytes.get_mut(at..at.checked_add(8)?)?.copy_from_slice(&word.to_le_bytes());
    Some(())
}
