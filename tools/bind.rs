//! Binds a shared library's references to itself, as the linker's `-Bsymbolic` would have done.
//!
//! DuckDB's library has 38000 references to its own symbols looked up by name whenever it is loaded, and 24000 further ones
//! when they are first called: 7 ms of every start of a program that is linked with it, and some 10 of a query, half of what
//! a short one takes beyond DuckDB's own shell. The program exports no symbol and needs this library before any other, so that the look-up
//! has one outcome, the library's own definition (`LD_BIND_NOW=1 LD_DEBUG=bindings` shows it). That is written into a copy
//! of the library here; no instruction of it is changed. Only x86-64's libraries are known; of another kind the caller
//! takes the library as it is.

use object::LittleEndian as Little;
use object::elf::{self, Dyn64, FileHeader64, Rela64, SectionHeader64, Sym64};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, SectionTable, Sym};
use object::read::{SymbolIndex, elf::SymbolTable};

/// What a relocation's parts take in the file.
const SIZE: usize = size_of::<Rela64<Little>>();

/// A relocation: where, type and symbol, addend.
type Relocation = [u64; 3];

/// The library with every reference to a symbol of its own bound; nothing where it is of another kind than expected.
pub fn bind(library: &[u8]) -> Option<Vec<u8>> {
    let elf = Elf::read(library)?;
    let mut bound = library.to_vec();

    let (mut relative, mut others) = (Vec::new(), Vec::new());
    let (at, relocations) = elf.relocations(elf::DT_RELA)?;
    for relocation in relocations {
        let [offset, info, addend] = parts(relocation);
        let own = elf.own(relocation);
        match (relocation.r_type(Little, false), own) {
            (elf::R_X86_64_64, Some(value)) => relative.push([offset, RELATIVE, value.wrapping_add(addend)]),
            (elf::R_X86_64_GLOB_DAT, Some(value)) => relative.push([offset, RELATIVE, value]),
            (elf::R_X86_64_RELATIVE, _) => relative.push([offset, info, addend]),
            _ => others.push([offset, info, addend]),
        }
    }
    // The loader takes the first so many for such as need no symbol; in order they touch each page once.
    relative.sort_unstable();
    let (count_at, count) = elf.tag(elf::DT_RELACOUNT)?;
    if relative.len() < usize::try_from(count).ok()? {
        return None;
    }
    put(&mut bound, count_at + 8, relative.len() as u64)?;
    for (place, relocation) in (at..).step_by(SIZE).zip(relative.iter().chain(&others)) {
        for (word, at) in relocation.iter().zip((place..).step_by(8)) {
            put(&mut bound, at, *word)?;
        }
    }

    // A call's entry points to code that looks its target up; the loader adds where the library lies, whatever it holds.
    // One that is told to look everything up at once (LD_BIND_NOW) does so.
    for relocation in elf.relocations(elf::DT_JMPREL)?.1 {
        if relocation.r_type(Little, false) == elf::R_X86_64_JUMP_SLOT
            && let Some(value) = elf.own(relocation)
        {
            put(&mut bound, elf.place(relocation.r_offset.get(Little))?, value)?;
        }
    }
    Some(bound)
}

/// The info word of a relocation that needs no symbol.
const RELATIVE: u64 = elf::R_X86_64_RELATIVE.0 as u64;

fn parts(relocation: &Rela64<Little>) -> Relocation {
    [relocation.r_offset.get(Little), relocation.r_info.get(Little), relocation.r_addend.get(Little).cast_unsigned()]
}

fn put(bytes: &mut [u8], at: usize, word: u64) -> Option<()> {
    bytes.get_mut(at..at.checked_add(8)?)?.copy_from_slice(&word.to_le_bytes());
    Some(())
}

/// A shared library as the loader sees it.
struct Elf<'a> {
    bytes: &'a [u8],
    header: &'a FileHeader64<Little>,
    sections: SectionTable<'a, FileHeader64<Little>>,
    symbols: SymbolTable<'a, FileHeader64<Little>>,
}

impl<'a> Elf<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let header = FileHeader64::<Little>::parse(bytes).ok().filter(|h| h.is_little_endian())?;
        if header.e_type(Little) != elf::ET_DYN || header.e_machine(Little) != elf::EM_X86_64 {
            return None;
        }
        let sections = header.sections(Little, bytes).ok()?;
        let symbols = sections.symbols(Little, bytes, elf::SHT_DYNSYM).ok()?;
        Some(Elf { bytes, header, sections, symbols })
    }

    /// An entry of the dynamic section: where in the file it stands, and its value.
    fn tag(&self, tag: elf::DynamicTag) -> Option<(usize, u64)> {
        let section = self.sections.iter().find(|s| s.sh_type(Little) == elf::SHT_DYNAMIC)?;
        let entries: &[Dyn64<Little>] = section.dynamic(Little, self.bytes).ok()??.0;
        let at = usize::try_from(section.sh_offset(Little)).ok()?;
        let found = entries.iter().position(|entry| entry.d_tag.get(Little) == tag)?;
        Some((at + found * size_of::<Dyn64<Little>>(), entries.get(found)?.d_val.get(Little)))
    }

    /// The relocations that an entry of the dynamic section points to, and where in the file they stand.
    fn relocations(&self, tag: elf::DynamicTag) -> Option<(usize, &'a [Rela64<Little>])> {
        let (_, address) = self.tag(tag)?;
        let here = |s: &&SectionHeader64<Little>| s.sh_type(Little) == elf::SHT_RELA && s.sh_addr(Little) == address;
        let section = self.sections.iter().find(here)?;
        let (relocations, _) = section.rela(Little, self.bytes).ok()??;
        Some((usize::try_from(section.sh_offset(Little)).ok()?, relocations))
    }

    /// Where in the file an address is.
    fn place(&self, address: u64) -> Option<usize> {
        let segments = self.header.program_headers(Little, self.bytes).ok()?;
        let offset = segments.iter().filter(|s| s.p_type(Little) == elf::PT_LOAD).find_map(|segment| {
            let within = address.checked_sub(segment.p_vaddr(Little))?;
            (within < segment.p_filesz(Little)).then(|| segment.p_offset(Little) + within)
        });
        usize::try_from(offset?).ok()
    }

    /// The address within the library of a symbol that it defines and that is certainly this one's: neither one of which a
    /// process has only one, nor one that is found by running code, nor of a thread.
    fn own(&self, relocation: &Rela64<Little>) -> Option<u64> {
        let index = SymbolIndex(usize::try_from(relocation.r_sym(Little, false)).ok()?);
        let symbol: &Sym64<Little> = self.symbols.symbol(index).ok()?;
        let own = !symbol.is_undefined(Little)
            && !symbol.is_absolute(Little)
            && matches!(symbol.st_bind(), elf::STB_GLOBAL | elf::STB_WEAK)
            && matches!(symbol.st_type(), elf::STT_OBJECT | elf::STT_FUNC);
        own.then(|| symbol.st_value(Little))
    }
}
