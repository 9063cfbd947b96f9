/** Finds a QR code in a picture: with the browser's own detector where there is one, else with jsQR. */

export type Picture = HTMLVideoElement | ImageBitmap;
/** The text of the code in the picture, or nothing. */
export type Decoder = (picture: Picture) => Promise<string | undefined>;

interface Detector {
  detect(picture: Picture): Promise<{ rawValue: string }[]>;
}
interface DetectorClass {
  new (options: { formats: string[] }): Detector;
  getSupportedFormats(): Promise<string[]>;
}

/** Pixels of the longer side that jsQR looks at: more makes it slow and finds no more. */
const LOOKED_AT = 800;

export async function makeDecoder(): Promise<Decoder> {
  const ours = await withJsQr();
  const native = await withDetector();
  if (!native) return ours;
  return async (picture) => {
    try {
      return (await native(picture)) ?? (await ours(picture));
    } catch {
      // Chrome has the class on systems where the service behind it is missing.
      return ours(picture);
    }
  };
}

async function withDetector(): Promise<Decoder | undefined> {
  const detectors = (window as unknown as { BarcodeDetector?: DetectorClass }).BarcodeDetector;
  if (!detectors) return undefined;
  try {
    if (!(await detectors.getSupportedFormats()).includes("qr_code")) return undefined;
    const detector = new detectors({ formats: ["qr_code"] });
    return async (picture) => (await detector.detect(picture))[0]?.rawValue || undefined;
  } catch {
    return undefined;
  }
}

async function withJsQr(): Promise<Decoder> {
  const { default: jsQR } = await import("jsqr");
  const canvas = document.createElement("canvas");
  return async (picture) => {
    const pixels = pixelsOf(picture, canvas);
    if (!pixels) return undefined;
    return jsQR(pixels.data, pixels.width, pixels.height)?.data || undefined;
  };
}

function pixelsOf(picture: Picture, canvas: HTMLCanvasElement): ImageData | undefined {
  const width = "videoWidth" in picture ? picture.videoWidth : picture.width;
  const height = "videoHeight" in picture ? picture.videoHeight : picture.height;
  if (width === 0 || height === 0) return undefined;
  const scale = Math.min(1, LOOKED_AT / Math.max(width, height));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) return undefined;
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
