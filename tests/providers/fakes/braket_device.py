"""The devices that the Braket stand-in has, and what they measure, in the schemas that the real SDK reads."""

import json
import re
from typing import Any

QPU = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"
SLOW = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-Slow"
ELSEWHERE = "arn:aws:braket:eu-north-1::device/qpu/ionq/Forte-North"
DEVICES = (QPU, SLOW, ELSEWHERE)


def region(arn: str) -> str:
    return arn.split(":")[3]


def _schema(name: str) -> dict[str, str]:
    return {"name": f"braket.{name}", "version": "1"}


def summary(arn: str) -> dict[str, Any]:
    return {
        "deviceArn": arn,
        "deviceName": arn.rsplit("/", 1)[1],
        "providerName": "IonQ",
        "deviceType": "QPU",
        "deviceStatus": "ONLINE",
    }


def description(arn: str) -> dict[str, Any]:
    gates = ["h", "x", "y", "z", "cnot", "rx", "ry", "rz", "swap"]
    capabilities = {
        "braketSchemaHeader": _schema("device_schema.ionq.ionq_device_capabilities"),
        "service": {
            "braketSchemaHeader": _schema("device_schema.device_service_properties"),
            "executionWindows": [
                {"executionDay": "Everyday", "windowStartHour": "00:00:00", "windowEndHour": "23:59:59"}
            ],
            "shotsRange": [1, 10000],
            "deviceCost": {"price": 0.08, "unit": "shot"},
            "deviceDocumentation": {"imageUrl": "image", "summary": "a stand-in", "externalDocumentationUrl": "none"},
            "deviceLocation": "nowhere",
            "updatedAt": "2026-01-01T00:00:00",
            "getTaskPollIntervalMillis": 100,
        },
        "action": {
            "braket.ir.openqasm.program": {
                "actionType": "braket.ir.openqasm.program",
                "version": ["1"],
                "supportedOperations": gates,
                "supportedResultTypes": [
                    {"name": "Probability", "observables": None, "minShots": 1, "maxShots": 10000}
                ],
                "supportPhysicalQubits": False,
            }
        },
        "paradigm": {
            "braketSchemaHeader": _schema("device_schema.gate_model_qpu_paradigm_properties"),
            "qubitCount": 4,
            "nativeGateSet": ["gpi", "gpi2", "ms"],
            "connectivity": {"fullyConnected": True, "connectivityGraph": {}},
        },
        "deviceParameters": {},
    }
    queues = [
        {"queue": "QUANTUM_TASKS_QUEUE", "queueSize": "3", "queuePriority": "Normal"},
        {"queue": "QUANTUM_TASKS_QUEUE", "queueSize": "0", "queuePriority": "Priority"},
        {"queue": "JOBS_QUEUE", "queueSize": "0"},
    ]
    return summary(arn) | {"deviceCapabilities": json.dumps(capabilities), "deviceQueueInfo": queues}


def result(arn: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Half of the shots all 0, half all 1, as a Bell pair would."""
    action = json.loads(spec["action"])
    bits = re.search(r"bit\[(\d+)\]", action.get("source", ""))
    width = int(bits[1]) if bits else 2
    return {
        "braketSchemaHeader": _schema("task_result.gate_model_task_result"),
        "measurements": [[shot % 2] * width for shot in range(spec["shots"])],
        "measuredQubits": list(range(width)),
        "taskMetadata": {
            "braketSchemaHeader": _schema("task_result.task_metadata"),
            "id": arn,
            "shots": spec["shots"],
            "deviceId": spec["deviceArn"],
        },
        "additionalMetadata": {"action": action},
    }
