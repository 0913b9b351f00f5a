// What somebody typed: the name of a place, or latitude and longitude.

const NAME_SUFFIX = /(특별자치시|특별자치도|특별시|광역시|시|군|-si|-gun|-do|\s+city)$/;

// Names are compared without case, blanks, and what towns add to their names.
function plainName(text) {
  const name = text.normalize("NFC").trim().toLowerCase();
  const short = name.replace(NAME_SUFFIX, "");
  return (short.length > 1 ? short : name).replace(/[\s-]/g, "");
}

// Numbers of one side, as 37.57, 37°34.2' or 37°34'12", with a letter for the side where one is given.
const ANGLE_TEXT = String.raw`(북위|동경|남위|서경|[nsew])?\s*([-+]?\d+(?:\.\d+)?)\s*(?:°|도)?\s*(?:(\d+(?:\.\d+)?)\s*(?:['′’]|분))?\s*(?:(\d+(?:\.\d+)?)\s*(?:["″”]|초))?\s*([nsew])?`;
const ANGLE_PAIR = new RegExp(`^${ANGLE_TEXT}[\\s,;/]+${ANGLE_TEXT}$`, "i");
const ANGLE_SIDES = { 북위: "n", 남위: "s", 동경: "e", 서경: "w" };

function parseAngle([before, degrees, minutes, seconds, after]) {
  const letter = (before ?? after ?? "").toLowerCase();
  const side = ANGLE_SIDES[letter] ?? letter;
  const size = Math.abs(Number(degrees)) + Number(minutes ?? 0) / 60 + Number(seconds ?? 0) / 3600;
  const negative = degrees.startsWith("-") !== (side === "s" || side === "w");
  return { side, value: negative ? -size : size, axis: side && (side === "n" || side === "s" ? "lat" : "lon") };
}

// [lon, lat], or null where the text is no pair of coordinates; latitude comes first where nothing says otherwise.
function parseCoordinates(text) {
  const match = ANGLE_PAIR.exec(text.normalize("NFC").trim().replace(/^[([]|[)\]]$/g, ""));
  if (!match) return null;
  const [first, second] = [parseAngle(match.slice(1, 6)), parseAngle(match.slice(6, 11))];
  if (first.axis && first.axis === second.axis) return null;
  const turned = first.axis === "lon" || second.axis === "lat" || (!first.axis && !second.axis && Math.abs(first.value) > 90);
  const [lat, lon] = turned ? [second.value, first.value] : [first.value, second.value];
  return Math.abs(lat) <= 90 && Math.abs(lon) <= 360 ? [lon, lat] : null;
}

class Gazetteer {
  constructor(places) {
    this.places = places;
  }

  // The place of a name in either language, or the only one whose name begins so.
  find(text) {
    const wanted = plainName(text);
    if (!wanted) return null;
    const names = (place) => [plainName(place.name), plainName(place.name_ko)];
    const exact = this.places.find((place) => names(place).includes(wanted));
    if (exact) return exact;
    const begin = this.places.filter((place) => names(place).some((name) => name.startsWith(wanted)));
    return begin.length === 1 ? begin[0] : null;
  }

  // The nearest place and its distance [km], or null.
  nearest(point) {
    let found = null;
    for (const place of this.places) {
      const distance = greatCircle(point, [place.lon, place.lat]);
      if (!found || distance < found.distance) found = { place, distance };
    }
    return found;
  }
}
