// What the server says when something cannot be done: it says it in English, with a kind by which it is known here.

const KOREAN_PROBLEMS = {
  no_model: "이 자료에 맞는 모델이 없어 강수확률을 표시할 수 없습니다.",
  no_forecast: "저장된 예측에 이 초기시각이 없습니다.",
  failed: (sentence) => `강수확률을 계산하지 못했습니다. (${sentence})`,
  unreadable: (sentence) => `이 초기시각의 자료를 읽을 수 없습니다. (${sentence})`,
  computing: "이 초기시각의 강수확률을 아직 계산하고 있습니다. 지도에 표시된 뒤 다시 요청하십시오.",
  reading: "이 초기시각의 자료를 아직 읽고 있습니다. 잠시 뒤 다시 요청하십시오.",
  no_counts: (sentence) => `검증 집계 자료가 없습니다. (${sentence})`,
  nothing_to_verify: "QPE와 강수확률이 모두 있는 초기시각이 아직 없어 검증할 수 없습니다. QPE가 있는 초기시각을 여십시오.",
  beside_grid: "이 지점은 예보 격자 밖에 있습니다. 다른 지점을 고르십시오.",
  too_large: "너무 큽니다. 선행시간을 줄이거나 권역을 고르십시오.",
  first_after_last: "시작 선행시간이 끝 선행시간보다 늦습니다.",
  reload: "이 화면의 선택 항목이 서버에 더 이상 없습니다. 페이지를 새로 고친 뒤 다시 요청하십시오.",
  one_file: "이미 파일을 만들고 있습니다. 끝날 때까지 기다리거나 취소하십시오.",
  forecast_already: "이 초기시각들은 이미 예측하고 있습니다.",
  busy: "서버에 대기 중인 작업이 많습니다. 잠시 뒤 다시 시도하십시오.",
  damaged_file: (sentence) => `파일이 손상되었거나 끝까지 전송되지 않았습니다. 다시 복사하거나 내려받으십시오. (${sentence})`,
  not_grib: (sentence) => `GRIB 파일이 아닙니다. 파일의 출처를 확인하십시오. (${sentence})`,
  grib_edition: (sentence) => `GRIB 1판과 2판만 읽을 수 있습니다. (${sentence})`,
  grid_type: (sentence) => `지원하지 않는 격자입니다. 람베르트, 극사입체 또는 간격이 고른 위경도 격자로 내삽한 뒤 올리십시오. (${sentence})`,
  two_grids: (sentence) => `파일마다 격자가 다릅니다. 격자별로 나누어 올리십시오. (${sentence})`,
  two_models: (sentence) => `서로 다른 모델의 파일이 섞여 있습니다. 모델별로 나누어 올리십시오. (${sentence})`,
  unknown_model: (sentence) => `어느 모델의 자료인지 알 수 없습니다. (${sentence})`,
  nothing_known: (sentence) => `예측에 쓰이는 변수가 파일에 없습니다. (${sentence})`,
  channels_missing: (sentence) => `필요한 변수가 파일에 없습니다. (${sentence})`,
  wrong_name: (sentence) => `파일 이름의 시각과 내용의 시각이 다릅니다. 이름이 바뀌었거나 파일이 손상되었습니다. (${sentence})`,
  covers_needed: (sentence) => `강수량의 누적 시간이 파일에 없거나 맞지 않습니다. ‘파일에 없는 정보’에 강수장별 누적 시간을 적으십시오. (${sentence})`,
  rain_windows: (sentence) => `선행시간마다 강수 누적 시간이 달라 함께 쓸 수 없습니다. (${sentence})`,
  init_needed: (sentence) => `파일에 초기시각이 없습니다. ‘파일에 없는 정보’에 초기시각(UTC)을 적으십시오. (${sentence})`,
  no_time: (sentence) => `CF 규약에 맞는 시간 좌표가 없습니다. (${sentence})`,
  whole_hours: (sentence) => `선행시간은 정시 간격이어야 합니다. 한 시간 간격 자료만 고르십시오. (${sentence})`,
  wind_partner: (sentence) => `바람의 한 성분이 없어 동서·남북 성분으로 바꿀 수 없습니다. 그 성분이 든 파일도 함께 올리십시오. (${sentence})`,
  no_values: (sentence) => `값이 하나도 없는 변수가 있습니다. 그 변수를 빼고 올리십시오. (${sentence})`,
  twice: (sentence) => `같은 변수가 서로 다른 값으로 두 번 들어 있습니다. 하나를 빼십시오. (${sentence})`,
  units: (sentence) => `변환할 수 없는 단위입니다. (${sentence})`,
  no_uploads: "이 서버는 파일을 받지 않습니다. 서버 운영자가 켤 수 있습니다.",
  unexpected: "처리하지 못했습니다. 이유는 서버 로그에 있습니다.",
};

// The sentence of a message with `problem` and `problem_kind`, in the language of the page where it is known.
function problemText({ problem, problem_kind: kind }) {
  const known = spoken === "ko" ? KOREAN_PROBLEMS[kind] : undefined;
  if (!problem || !known) return problem ?? "";
  return typeof known === "function" ? known(problem) : known;
}
