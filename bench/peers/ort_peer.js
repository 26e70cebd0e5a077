#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
//
// ONNX Runtime at the work of bench/peers/onnx_model.py: checked against double, then timed.
//
//     ort_peer.js MODULES FOLDER SETTING THREADS REPETITIONS
//
// MODULES is where npm installed onnxruntime-node, FOLDER what onnx_model.py wrote. Prints JSON: worst_error relative
// to its bound, and the minimum and median of the repetitions in ms.
'use strict';
const fs = require('fs');
const path = require('path');

const WARM_UP = 2; // runs that are not counted

function fail(words) {
    console.error(`ort_peer.js: ${words}`);
    process.exit(1);
}

/** A raw array of onnx_model.py, little-endian as is every machine with this package. */
function load(folder, name, Type) {
    const bytes = fs.readFileSync(path.join(folder, name));
    return new Type(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** The largest error relative to its bound; right up to 1, infinite where there is NaN. */
function worstError(folder, unit, output) {
    const positions = load(folder, 'positions.u32', Uint32Array);
    const values = load(folder, 'values.f64', Float64Array);
    const magnitude = load(folder, 'magnitude.f64', Float64Array);
    let worst = 0;
    for (let i = 0; i < positions.length; i++) {
        const error = Math.abs(output[positions[i]] - values[i]) / (unit * magnitude[i]);
        if (!(error <= worst)) worst = Number.isNaN(error) ? Infinity : error;
    }
    return worst;
}

function median(sorted) {
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

async function main() {
    const [modules, folder, setting, threads, repetitions] = process.argv.slice(2);
    if (!(Number(threads) >= 1 && Number(repetitions) >= 1))
        fail('usage: ort_peer.js MODULES FOLDER SETTING THREADS REPETITIONS');
    const ort = require(path.resolve(modules, 'onnxruntime-node'));
    const about = JSON.parse(fs.readFileSync(path.join(folder, 'model.json'), 'utf8'));
    const session = await ort.InferenceSession.create(path.join(folder, `${setting}.onnx`), {
        executionProviders: ['cpu'],
        graphOptimizationLevel: 'all',
        intraOpNumThreads: Number(threads),
        interOpNumThreads: 1,
        executionMode: 'sequential',
    });
    const feeds = {};
    for (const [name, shape] of Object.entries(about.inputs))
        feeds[name] = new ort.Tensor('float32', load(folder, `${name}.f32`, Float32Array), shape);
    // Written in place, so that no run has to make its output.
    const elements = about.output.reduce((product, extent) => product * extent, 1);
    const y = new ort.Tensor('float32', new Float32Array(elements), about.output);

    let result;
    for (let i = 0; i < WARM_UP; i++) result = await session.run(feeds, { y });
    const error = worstError(folder, about.unit, result.y.data);
    if (!(error <= 1)) fail(`${setting}: wrong results, worst error ${error} of its bound`);

    const ms = [];
    for (let i = 0; i < Number(repetitions); i++) {
        const begin = process.hrtime.bigint();
        await session.run(feeds, { y });
        ms.push(Number(process.hrtime.bigint() - begin) / 1e6);
    }
    ms.sort((a, b) => a - b);
    console.log(JSON.stringify({
        peer: 'onnxruntime',
        setting,
        version: ort.env.versions.node,
        threads: Number(threads),
        worst_error: error,
        results: [{ what: 'forward', ms_min: ms[0], ms_median: median(ms) }],
    }));
}

main().catch((error) => fail(error.message));
