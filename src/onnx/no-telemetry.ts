/**
 * Imported before the runtime, which asks once, when it is loaded. Since 1.29 its published builds tell Microsoft about the machine and
 * the models unless this is set (onnxruntime#27379), and keep an id for that in the user's cache folder. Nothing leaves this machine.
 */
process.env.ORT_DISABLE_TELEMETRY = '1';
