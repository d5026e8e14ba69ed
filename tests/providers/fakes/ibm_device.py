"""The device that the IBM stand-in has: its configuration and properties, and results as the real client decodes them."""

import base64
import struct
import time
import zlib
from datetime import datetime, timezone
from typing import Any

BACKEND = "ibm_fakeville"
CMAP = [[0, 1], [1, 0], [1, 2], [2, 1]]


def iso(t=None):
    return datetime.fromtimestamp(t or time.time(), timezone.utc).isoformat().replace("+00:00", "Z")


CONFIG = {
    "backend_name": BACKEND,
    "backend_version": "1.0.0",
    "n_qubits": 3,
    "basis_gates": ["cz", "id", "rz", "sx", "x"],
    "gates": [
        {
            "name": g,
            "parameters": ["theta"] if g == "rz" else [],
            "qasm_def": f"gate {g} q {{ }}",
            "coupling_map": [[0], [1], [2]] if g != "cz" else CMAP,
        }
        for g in ("id", "rz", "sx", "x", "cz")
    ],
    "local": False,
    "simulator": False,
    "conditional": False,
    "open_pulse": False,
    "memory": True,
    "max_shots": 100000,
    "coupling_map": CMAP,
    "dynamic_reprate_enabled": True,
    "supported_instructions": ["cz", "id", "delay", "measure", "reset", "rz", "sx", "x"],
    "rep_delay_range": [0.0, 500.0],
    "default_rep_delay": 250.0,
    "max_experiments": 300,
    "n_registers": 1,
    "credits_required": True,
    "online_date": "2025-01-01T00:00:00+00:00",
    "description": "3 qubit fake device",
    "dt": 4e-9,
    "dtm": 4e-9,
    "processor_type": {"family": "Heron", "revision": "2"},
    "meas_map": [[0, 1, 2]],
    "meas_levels": [1, 2],
    "conditional_latency": [],
    "multi_meas_enabled": True,
    "allow_q_object": True,
    "timing_constraints": {"acquire_alignment": 1, "granularity": 1, "min_length": 1, "pulse_alignment": 1},
    "supported_features": ["qasm3"],
    "parametric_pulses": [],
    "url": "None",
    "input_allowed": ["job", "runtime"],
}


def properties():
    d = "2026-01-01T00:00:00+00:00"

    def par(name: str, unit: str, value: float) -> dict[str, Any]:
        return {"date": d, "name": name, "unit": unit, "value": value}

    gates = []
    for g in ("id", "sx", "x", "rz"):
        for q in range(3):
            gates.append(
                {
                    "qubits": [q],
                    "gate": g,
                    "name": f"{g}{q}",
                    "parameters": [par("gate_error", "", 1e-4), par("gate_length", "ns", 32 if g != "rz" else 0)],
                }
            )
    for a, b in CMAP:
        gates.append(
            {
                "qubits": [a, b],
                "gate": "cz",
                "name": f"cz{a}_{b}",
                "parameters": [par("gate_error", "", 5e-3), par("gate_length", "ns", 68)],
            }
        )
    qubits = [
        [
            par("T1", "us", 200.0),
            par("T2", "us", 150.0),
            par("frequency", "GHz", 5.0),
            par("anharmonicity", "GHz", -0.3),
            par("readout_error", "", 0.01),
            par("prob_meas0_prep1", "", 0.01),
            par("prob_meas1_prep0", "", 0.01),
            par("readout_length", "ns", 1200),
        ]
        for _ in range(3)
    ]
    return {
        "backend_name": BACKEND,
        "backend_version": "1.0.0",
        "last_update_date": d,
        "qubits": qubits,
        "gates": gates,
        "general": [],
    }


def npy_u8(rows):
    """numpy .npy bytes of a 2-d uint8 array given as list of equal-length byte rows."""
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}"
    pad = 64 - (10 + len(head) + 1) % 64
    head = head + " " * pad + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + b"".join(bytes(r) for r in rows)


def sampler_result(job):
    shots = job["shots"]
    rows = [[0] if i % 2 else [3] for i in range(shots)]
    arr = base64.b64encode(zlib.compress(npy_u8(rows))).decode()
    pub = {
        "__type__": "SamplerPubResult",
        "__value__": {
            "data": {
                "__type__": "DataBin",
                "__value__": {
                    "field_names": ["meas"],
                    "shape": [],
                    "fields": {
                        "meas": {
                            "__type__": "BitArray",
                            "__value__": {"array": {"__type__": "ndarray", "__value__": arr}, "num_bits": 2},
                        }
                    },
                },
            },
            "metadata": {"circuit_metadata": {}},
        },
    }
    return {
        "__type__": "PrimitiveResult",
        "__value__": {"pub_results": [pub] * job["npubs"], "metadata": {"version": 2}},
    }
