"""Fits the confidence of the translator: see tools/fit-confidence."""
import copy
import gzip
import hashlib
import itertools
import json
import math
import os
import pickle
import random
import re
import subprocess
import sys
import tempfile

import lightgbm
import numpy as np
from sklearn.model_selection import GroupKFold

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from worker import Worker  # noqa: E402

ROUNDS = 250
PARAMETERS = dict(objective='binary', learning_rate=0.05, num_leaves=24, min_data_in_leaf=60, feature_fraction=0.5,
                  bagging_fraction=0.8, bagging_freq=1, lambda_l2=10.0, verbose=-1, seed=1, deterministic=True,
                  force_row_wise=True, num_threads=2)
# The form of the second forest, which has few signs, and how many readings of a question it weighs.
ROUNDS_RESULTS = 100
PARAMETERS_RESULTS = {**PARAMETERS, 'num_leaves': 8, 'min_data_in_leaf': 80, 'feature_fraction': 0.6}
WEIGHED = 4
# What a question counts: as it was asked, in other words, put to another database.
WEIGHTS = {'asked': 1.0, 'other words': 0.8, 'elsewhere': 0.7}


def plain(value):
    if value is None:
        return None
    if isinstance(value, (bool, int, float)):
        return 'nan' if math.isnan(float(value)) else float(f'{float(value):.6g}')
    text = str(value).strip()
    if re.fullmatch(r'[-+]?\d+(\.\d+)?', text):
        return float(f'{float(text):.6g}')
    text = text.replace('T', ' ') if re.match(r'\d{4}-\d\d-\d\dT', text) else text
    return re.sub(r' 00:00:00(\.0+)?$', '', text)


def same(expected, rows, ordered):
    """Whether two results are the same, whatever the order of their columns."""
    expected, rows = ([tuple(map(plain, row)) for row in side] for side in (expected, rows))
    if len(expected) != len(rows) or (expected and len(expected[0]) != len(rows[0])):
        return False
    if not expected:
        return True
    order = (lambda side: side) if ordered else (lambda side: sorted(side, key=lambda row: [(x is None, str(x)) for x in row]))
    column = lambda side, i: sorted((row[i] is None, str(row[i])) for row in side)
    width = range(len(expected[0]))
    options = [[j for j in width if column(rows, j) == column(expected, i)] for i in width]
    for places in itertools.islice(itertools.product(*options), 5000):
        if len(set(places)) == len(options) and order([tuple(row[j] for j in places) for row in rows]) == order(expected):
            return True
    return False


def read(paths):
    for path in paths:
        with gzip.open(path, 'rt') as file:
            yield from map(json.loads, file)


def questions(rows, seed):
    """Every question, its other wording, and a quarter of them put to a database that cannot answer."""
    chance = random.Random(seed)
    databases = sorted({row['db'] for row in rows})
    for row in rows:
        yield 'asked', row['db'], row['question'], row
        if row.get('synonyms') and row['synonyms'] != row['question']:
            yield 'other words', row['db'], row['synonyms'], row
    for row in chance.sample(rows, len(rows) // 4):
        other = chance.choice([db for db in databases if db != row['db']])
        yield 'elsewhere', other, row['question'], None


def contents(rows):
    """What a reading found, whatever the order of its rows and columns; None where it failed."""
    if rows is None:
        return None
    rows = rows[:5000]
    written = [[json.dumps(value) for value in row] for row in rows]
    columns = sorted(json.dumps(sorted(column)) for column in zip(*written))
    content = hashlib.blake2b(json.dumps([len(rows), columns]).encode(), digest_size=8).digest()
    return len(rows), len(set(map(tuple, written))), int.from_bytes(content, 'big')


def readings(program, signs, folder, asked):
    """The readings of all questions with their signs, whether they are right, and what they find: the number of rows, of
    different rows, and what is equal for equal contents. Results are kept between runs."""
    kept = os.path.join(tempfile.gettempdir(), 'llmsql-fit-readings.pickle')
    results = pickle.load(open(kept, 'rb')) if os.path.exists(kept) else {}
    with tempfile.TemporaryDirectory() as schemas:
        for db in {db for _, db, _, _ in asked}:
            worker = Worker(program, f'{folder}/{db}.sqlite')
            json.dump(worker.study(), open(f'{schemas}/{db}.json', 'w'))
            worker.close()
        lines = ''.join(json.dumps({'id': i, 'db': db, 'question': q}) + '\n' for i, (_, db, q, _) in enumerate(asked))
        out = subprocess.run([signs, schemas], input=lines, capture_output=True, text=True, check=True).stdout
    names, found, worker, opened = None, [[] for _ in asked], None, None
    for line in map(json.loads, out.splitlines()):
        if 'signs' in line:
            names = line['signs']
            continue
        _, db, _, row = asked[line['id']]
        for sql, _, values in line['readings']:
            key = (db, row and str(row['id']), sql)
            if key not in results:
                if opened != db:
                    if worker:
                        worker.close()
                    worker, opened = Worker(program, f'{folder}/{db}.sqlite'), db
                try:
                    rows = worker.rows(sql)
                except EOFError:
                    rows, opened = None, None
                right = bool(row) and rows is not None and same(row['expected'], rows, row['ordered'])
                results[key] = right, contents(rows)
            found[line['id']].append((values, *results[key]))
    if worker:
        worker.close()
    pickle.dump(results, open(kept, 'wb'))
    return names, found


class Table:
    def __init__(self, asked, found):
        self.kinds = np.array([kind for kind, _, _, _ in asked])
        rows = [(i, values, ok, results) for i, own in enumerate(found) for values, ok, results in own]
        self.databases = [database for _, database, _, _ in asked]
        self.question = np.array([i for i, _, _, _ in rows])
        self.x = np.array([values for _, values, _, _ in rows], dtype=np.float32)
        self.y = np.array([ok for _, _, ok, _ in rows], dtype=int)
        self.results = [results for _, _, _, results in rows]
        self.describe()

    def describe(self):
        self.group = np.array([self.databases[i] for i in self.question])
        self.weight = np.array([WEIGHTS[self.kinds[i]] for i in self.question])

    def weighed(self, weigh, p):
        """The likeliest readings of each question, by p, with the signs of what they find, and the names of the signs."""
        order = sorted(range(len(p)), key=lambda i: (self.question[i], -p[i]))
        of_one = [list(own)[:WEIGHED] for _, own in itertools.groupby(order, lambda i: self.question[i])]
        lines = [json.dumps({'p': [p[i] for i in own], 'found': [self.results[i] for i in own]}) for own in of_one]
        out = subprocess.run([weigh], input='\n'.join(lines) + '\n', capture_output=True, text=True, check=True).stdout
        names, *signs = map(json.loads, out.splitlines())
        kept = [i for own in of_one for i in own]
        other = copy.copy(self)
        other.question, other.y = self.question[kept], self.y[kept]
        other.x = np.array([values for own in signs for values in own], dtype=np.float32)
        other.describe()
        return names, other

    def best(self, p):
        """The probability of each question's best reading, and whether it is right."""
        probability, right = np.zeros(len(self.kinds)), np.zeros(len(self.kinds), dtype=int)
        for i in np.argsort(p):
            probability[self.question[i]], right[self.question[i]] = p[i], self.y[i]
        return probability, right


def fit(table, where, parameters, rounds):
    data = lightgbm.Dataset(table.x[where], table.y[where], weight=table.weight[where])
    return lightgbm.train(parameters, data, rounds)


def fit_all(title, table, *form):
    """The forest of all, and the probabilities by forests that did not see the reading's database."""
    p = np.zeros(len(table.y))
    for train, test in GroupKFold(5).split(table.x, table.y, table.group):
        p[test] = fit(table, train, *form).predict(table.x[test])
    report(f'{title}, databases left out in turn', table, p)
    return fit(table, np.arange(len(table.y)), *form), p


def report(title, table, p):
    probability, right = table.best(p)
    print(title)
    for kind in WEIGHTS:
        own = table.kinds == kind
        print(f'  {kind}: {own.sum()} questions, the best reading is right in {right[own].mean():.1%}')
        for bound in (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8):
            answered = own & (probability >= bound)
            precision = right[answered].mean() if answered.any() else 0.0
            print(f'    from {bound:.2f} on: answered {answered.sum() / own.sum():.1%}, '
                  f'right of all {right[answered].sum() / own.sum():.1%}, right of the answered {precision:.1%}')


def write(model, names, path):
    def nodes(node):
        if 'leaf_value' in node:
            return [f"={node['leaf_value']:.4g}"]
        return [f"{node['split_feature']}<{node['threshold']:.5g}", *nodes(node['left_child']), *nodes(node['right_child'])]
    trees = [' '.join(nodes(tree['tree_structure'])) for tree in model.dump_model()['tree_info']]
    with open(path, 'w') as file:
        file.write('\n'.join(['|'.join(names), *trees]) + '\n')


def main():
    program, signs, weigh, forest, forest_results, folder, fitted = sys.argv[1:8]
    asked = list(questions(list(read(fitted.split(','))), 7))
    names, found = readings(program, signs, folder, asked)
    table = Table(asked, found)
    model, p = fit_all('by words', table, PARAMETERS, ROUNDS)
    names_results, likely = table.weighed(weigh, p)
    model_results, _ = fit_all('by what is found', likely, PARAMETERS_RESULTS, ROUNDS_RESULTS)
    for check in sys.argv[8:]:
        other = list(questions(list(read([check])), 7))
        checked = Table(other, readings(program, signs, folder, other)[1])
        p = model.predict(checked.x)
        report(f'{check}, by words', checked, p)
        likely = checked.weighed(weigh, p)[1]
        report(f'{check}, by what is found', likely, model_results.predict(likely.x))
    write(model, names, forest)
    write(model_results, names_results, forest_results)


main()
